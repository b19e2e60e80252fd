package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain is the tests, or what they start: the test binary stands in for java.
func TestMain(m *testing.M) {
	switch os.Getenv("FAKE_JAVA") {
	case "serves":
		server := http.Server{Addr: "127.0.0.1:" + os.Args[len(os.Args)-1], ReadHeaderTimeout: time.Second}
		server.ListenAndServe()
		os.Exit(1)
	case "fails":
		os.Stderr.WriteString("UnsupportedClassVersionError: made up by a test\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// tool puts an executable into a folder that is all of the PATH.
func tool(t *testing.T, folder, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// machine is a folder that is all of the PATH, with a cache that has everything.
func machine(t *testing.T, java string) (cache string) {
	t.Helper()
	bin, cache := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	version, err := localVersion()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(cache, version), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tool(t, bin, "java", "FAKE_JAVA="+java+` exec "`+self+`" "$@"`)
	return cache
}

func TestExitCodeIsThatOfTheCommand(t *testing.T) {
	cache := machine(t, "serves")
	for script, want := range map[string]int{
		"exit 0": 0,
		"exit 7": 7,
		`test "$REQUIRE_DYNAMODB" = 1 && case "$DYNAMODB_ENDPOINT" in http://127.0.0.1:*) exit 3;; esac`: 3,
	} {
		if got, err := run(t.Context(), cache, "64m", []string{"/bin/sh", "-c", script}); got != want || err != nil {
			t.Errorf("%s: exit code %d, %v, want %d", script, got, err, want)
		}
	}
	for _, command := range [][]string{{"no-such-command"}, {"/bin/sh", "-c", "kill -9 $$"}} {
		if got, err := run(t.Context(), cache, "64m", command); got != exitUnable || err == nil {
			t.Errorf("%v: exit code %d, %v", command, got, err)
		}
	}
}

func TestServerIsStoppedWithTheCommand(t *testing.T) {
	cache := machine(t, "serves")
	file := filepath.Join(t.TempDir(), "endpoint")
	script := `printf %s "$DYNAMODB_ENDPOINT" > "` + file + `"`
	if code, err := run(t.Context(), cache, "64m", []string{"/bin/sh", "-c", script}); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	endpoint, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.Get(string(endpoint)); err == nil {
		response.Body.Close()
		t.Errorf("%s still answers", endpoint)
	}
}

func TestInterruptEndsCommandAndServer(t *testing.T) {
	cache := machine(t, "serves")
	ctx, cancel := context.WithCancel(t.Context())
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for range 1000 {
			if _, err := os.Stat(started); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	script := `: > "` + started + `"; while :; do :; done`
	if code, err := run(ctx, cache, "64m", []string{"/bin/sh", "-c", script}); code != exitUnable || err == nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct{ cache, want string }{{t.TempDir(), "install Apache Maven"}, {"", "install Java 17"}} {
		if c.cache == "" {
			c.cache = machine(t, "serves")
			t.Setenv("PATH", t.TempDir())
		}
		if code, err := run(t.Context(), c.cache, "64m", []string{"true"}); code != exitUnable || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("exit code %d, %v, want an error that says %q", code, err, c.want)
		}
	}
}

func TestJavaThatDoesNotStartSaysWhy(t *testing.T) {
	cache := machine(t, "fails")
	code, err := run(t.Context(), cache, "64m", []string{"true"})
	if code != exitUnable || err == nil || !strings.Contains(err.Error(), "UnsupportedClassVersionError") {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func TestFetch(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+"/bin"+string(os.PathListSeparator)+"/usr/bin")
	tool(t, bin, "mvn", "echo no route to the repository; exit 1")
	if _, err := fetch(t.Context(), cache); err == nil || !strings.Contains(err.Error(), "no route to the repository") {
		t.Errorf("got %v, want what Maven said", err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("a fetch that failed left %v, %v", left, err)
	}
	tool(t, bin, "mvn", `for a; do case "$a" in -DoutputDirectory=*) mkdir "${a#*=}" && : > "${a#*=}/a.jar";; esac; done`)
	jars, err := fetch(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(jars, "a.jar")); err != nil {
		t.Error(err)
	}
	tool(t, bin, "mvn", "echo Maven was asked again; exit 1")
	if again, err := fetch(t.Context(), cache); again != jars || err != nil {
		t.Errorf("what is there already was fetched again: %v", err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for range 100 {
		kept.Write([]byte(strings.Repeat("x", 1000)))
	}
	kept.Write([]byte("the end"))
	if got := kept.String(); len(got) != maxTail || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-7:])
	}
}
