package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// smallDisk takes so many bytes, the last of them in the middle of a line.
type smallDisk struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("no space left on device")

func (d *smallDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestAFullDiskTearsNoOtherLine(t *testing.T) {
	t.Parallel()
	disk := &smallDisk{room: len("{\"n\":0}\n") + 3}
	w, err := openWholeLines(filepath.Join(t.TempDir(), "gakushoku.log"), disk, zerolog.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}
	var failed []int
	write := func(n int) {
		if _, err := fmt.Fprintf(w, "{\"n\":%d}\n", n); err != nil {
			failed = append(failed, n)
		}
	}
	for n := range 4 {
		write(n)
	}
	disk.room = 1 << 10
	write(4)
	write(5)
	lines := strings.Split(strings.TrimSuffix(disk.String(), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%q", lines)
	}
	lost := lines[2]
	for _, want := range []string{`"level":"error"`, `"message":"log:lost"`, `"lines":3`, `"since":"`, errFull.Error(), `"errorClass":"infra"`} {
		if !strings.Contains(lost, want) {
			t.Errorf("no %s in %s", want, lost)
		}
	}
	lines[2] = "lost"
	if diff := cmp.Diff([]string{`{"n":0}`, `{"n`, "lost", `{"n":4}`, `{"n":5}`}, lines); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1}, failed); diff != "" {
		t.Errorf("which writes have failed: %s", diff)
	}
}

// fullFile takes so many bytes, and writes them into a file.
type fullFile struct {
	*os.File
	room int
}

func (f *fullFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p[:min(len(p), f.room)])
	if f.room -= n; err == nil && n < len(p) {
		err = errFull
	}
	return n, err
}

func TestAFullDiskLeavesNoTornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	disk := &fullFile{file, 12}
	w, err := openWholeLines(path, disk, zerolog.Disabled)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		fmt.Fprintf(w, "{\"n\":%d}\n", n) //nolint:errcheck // the second fails
	}
	disk.room = 100
	fmt.Fprintf(w, "{\"n\":3}\n") //nolint:errcheck // the next check shows it
	if got, err := os.ReadFile(path); err != nil || string(got) != "{\"n\":0}\n{\"n\":3}\n" {
		t.Errorf("%q %v", got, err)
	}
}

func TestWhatIsLostWhileItIsToldIsToldNext(t *testing.T) {
	t.Parallel()
	disk := &smallDisk{}
	w, err := openWholeLines(filepath.Join(t.TempDir(), "gakushoku.log"), disk, zerolog.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 0, 20, 1 << 10} { // the third has room for a part of log:lost
		disk.room = room
		fmt.Fprintln(w, "{}") //nolint:errcheck // the first fails
	}
	lines := strings.Split(disk.String(), "\n")
	if len(lines) != 4 || len(lines[0]) != 20 || !strings.Contains(lines[1], `"lines":3`) || lines[2] != "{}" {
		t.Errorf("%q", lines)
	}
}

func TestALogThatEndsInTheMiddleOfALineIsGoneOnWith(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	for left, want := range map[string]string{"": "{}\n", "{\"n\":1}\n": "{\"n\":1}\n{}\n", `{"n":`: "{\"n\":\n{}\n"} {
		if err := os.WriteFile(path, []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		w, err := openWholeLines(path, file, zerolog.InfoLevel)
		if err == nil {
			_, err = fmt.Fprintln(w, "{}")
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("after %q: %q %v", left, got, err)
		}
	}
}
