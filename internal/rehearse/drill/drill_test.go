package drill

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/fault"
)

// The drills themselves are run where the command line is, which they call: scripts/gakushoku.
func TestEveryDrillFollowsItsPageToTheEnd(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range All() {
		if seen[d.Name] || seen[d.Page] {
			t.Errorf("%s or its page %s is there twice", d.Name, d.Page)
		}
		seen[d.Name], seen[d.Page] = true, true
		if d.Title == "" || d.broken == "" || d.breaks == nil || len(d.signs) == 0 {
			t.Errorf("%s breaks nothing that shows: %+v", d.Name, d)
		}
		for _, s := range d.steps {
			if (s.section == "") == (s.hand == "") || (s.hand == "") != (s.do == nil) {
				t.Errorf("%s: %+v is neither a section nor done by hand", d.Name, s)
			}
			if s.section == "" {
				continue
			}
			if blocks, err := d.blocks(s.section); err != nil || len(blocks) == 0 {
				t.Errorf("%s: %v", d.Name, err)
			}
			if len(s.shows) == 0 && s.check == nil {
				t.Errorf("%s: nobody looks at what section %q shows", d.Name, s.section)
			}
		}
		if first, last := d.steps[0].section, d.steps[len(d.steps)-1].section; first != look || last != over {
			t.Errorf("%s begins with %q and ends with %q", d.Name, first, last)
		}
	}
	d, ok := Find("lost-operation")
	if _, err := d.blocks("No such section"); !ok || err == nil || !strings.Contains(err.Error(), `lost-operation.md has no section "No such section"`) {
		t.Errorf("%v, %v", ok, err)
	}
	if !Runs("lost-operation.md", look) || Runs("lost-operation.md", "No such section") || Runs("no-page.md", look) {
		t.Error("what drills run is not known")
	}
}

func TestWhatCommandsShowIsRead(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]bool{
		"COMMAND  RESULT  PER SECOND  P50  P95\nPayOrder  OK  3.0  375.0 ms  487.5 ms\n":                 true,
		"PayOrder   OK      0.5         1.2 s     2.5 s\n":                                               true,
		"PayOrder   OK      0.5         4.9 ms    900.0 ms\nPlaceOrder  NG infra  3.0  900 ms  950 ms\n": false,
		"PayOrder   OK      0.0         -         -\n":                                                   false,
		"": false,
	} {
		if err := showsSlowCommand(output); (err == nil) != want {
			t.Errorf("%q: %v", output, err)
		}
	}
	stamp := func(ago time.Duration) string {
		return "1  " + time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000Z") + "  OrderPlaced\n"
	}
	for ago, want := range map[time.Duration]bool{0: false, 9 * time.Minute: false, 11 * time.Minute: true} {
		if err := behindBy("Date: Tue, 24 Nov\n"+stamp(time.Second)+stamp(ago), 10*time.Minute); (err == nil) != want {
			t.Errorf("%s: %v", ago, err)
		}
	}
}

func TestASmallDiskIsFullOnceItsFolderIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name string, size int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &smallDisk{dir, 100}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	put("a", 40)
	put("sub/b", 59)
	if free, err := d.free(); err != nil || free != 1 || d.full() != nil {
		t.Errorf("%d free, %v, %v", free, err, d.full())
	}
	put("c", 7)
	if free, err := d.free(); err != nil || free != 0 || fault.ClassOf(d.full()) != fault.Infra {
		t.Errorf("%d free, %v, %v", free, err, d.full())
	}
	if err := (*smallDisk)(nil).full(); err != nil {
		t.Errorf("no disk is full: %v", err)
	}
}

func TestTroubleBeginsAndEnds(t *testing.T) {
	t.Parallel()
	var tr trouble
	down := errors.New("down")
	if err := tr.meet(t.Context()); err != nil {
		t.Error(err)
	}
	tr.begin(func(context.Context) error { return down })
	if err := tr.meet(t.Context()); !errors.Is(err, down) {
		t.Error(err)
	}
	tr.end()
	if err := tr.meet(t.Context()); err != nil {
		t.Error(err)
	}
}
