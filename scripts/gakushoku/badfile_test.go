package main

import (
	"strings"
	"testing"
)

func TestABadFileThatIsThereIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, kept := put(t, "log.jsonl", seed+"not an event\n"), put(t, "kept", "precious\n")
	call(t, "events", "import", log, "-d", dir, "--skip-bad", "--bad-file", kept).wants(t, exitFailed, kept+" is there already", "name another file")
	call(t, "reproject", "--from", log, "--out", "-", "--skip-bad", "--bad-file", kept).wants(t, exitFailed, kept+" is there already")
	if got := read(t, kept); got != "precious\n" {
		t.Errorf("it is %q now", got)
	}
	if out := ok(t, "events", "export", "-d", dir); out != "" {
		t.Errorf("imported all the same: %s", out)
	}
	call(t, "events", "import", log, "-d", dir, "--skip-bad", "--bad-file", "/dev/null").wants(t, exitDone, "2 imported")
	call(t, "events", "import", log, "-d", dir, "--skip-bad").wants(t, exitDone, "1 bad", log+".bad")
	call(t, "events", "import", log, "-d", dir, "--skip-bad").wants(t, exitDone, "1 bad", log+".bad") // it has the same lines
	if strings.Contains(ok(t, "events", "import", put(t, "good.jsonl", seed), "-d", dir, "--skip-bad", "--bad-file", kept), "1 bad") {
		t.Error("without bad lines the file is not needed")
	}
}
