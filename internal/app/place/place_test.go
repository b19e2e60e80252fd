package place_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/app/place"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/store/files"
)

func TestAFolderIsAPlace(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, dir string) eventlog.Blobs {
		blobs, err := place.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return blobs
	}
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{Open: func(t *testing.T) eventlogtest.BlobsInstance {
		dir := filepath.Join(t.TempDir(), "place")
		return eventlogtest.BlobsInstance{Store: open(t, dir), Reopen: func(t *testing.T) eventlog.Blobs { return open(t, dir) }}
	}})
}

func TestWhatIsNoPlaceIsRefused(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "s3://", "s3://B", "s3:///x", "s3://bucket/../x", "s3://bucket//x", "https://bucket/x", "s3://bucket/学"} {
		if err := place.Check(target); !errors.Is(err, place.ErrNoPlace) {
			t.Errorf("%q: %v", target, err)
		}
		if _, err := place.Open(t.Context(), target); !errors.Is(err, place.ErrNoPlace) {
			t.Errorf("opening %q: %v", target, err)
		}
	}
	for _, target := range []string{"x", "/x/y", "s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b", "s3://bucket/a/"} {
		if err := place.Check(target); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestAFolderThatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, path := range []string{filepath.Join(data, "gakushoku.json"), file} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for target, want := range map[string]string{
		data:                                     "is a data folder",
		filepath.Join(data, "log"):               "is a data folder",
		file:                                     "is no folder",
		filepath.Join(t.TempDir(), "not", "yet"): "mount the disk",
	} {
		if _, err := place.Open(t.Context(), target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
}

func TestReadingAPlaceMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "place")
	if _, err := place.Read(t.Context(), dir); !errors.Is(err, files.ErrNoFolder) {
		t.Errorf("%v", err)
	}
	written, err := place.Open(t.Context(), dir)
	if err == nil {
		err = written.Put(t.Context(), "a/b", []byte("x"))
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, ".tmp"))
	}
	if err != nil {
		t.Fatal(err)
	}
	read, err := place.Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := read.Get(t.Context(), "a/b"); err != nil || string(data) != "x" {
		t.Errorf("%q %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made a folder: %v", err)
	}
}

// No call leaves the process before an object is asked for.
func TestABucketIsFoundAsAWSToolsFindIt(t *testing.T) {
	t.Setenv("AWS_REGION", "ap-northeast-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "k")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	if _, err := place.Open(t.Context(), "s3://bucket/a/b"); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	if _, err := place.Open(t.Context(), "s3://bucket"); err == nil || !strings.Contains(err.Error(), "set AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
}
