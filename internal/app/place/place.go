// Package place opens the places that a log is copied to, for backups and replicas: folders, and buckets of S3.
package place

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"gakushoku/internal/app/cloud"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/s3"
)

// ErrNoPlace means that a target names no place that can be used.
var ErrNoPlace = errors.New("a place is DIR or s3://BUCKET/PREFIX")

// dataMarker is the file that marks a data folder.
const dataMarker = "gakushoku.json"

// Open opens a place for writing: a folder, which is made if only itself is missing, or s3://BUCKET/PREFIX, with
// region and credentials as AWS's own tools find them. It refuses a data folder and its parts.
func Open(ctx context.Context, target string) (eventlog.Blobs, error) {
	bucket, prefix, err := split(target)
	switch {
	case err != nil:
		return nil, err
	case bucket != "":
		return openBucket(ctx, bucket, prefix)
	}
	if err := checkFolder(target); err != nil {
		return nil, err
	}
	return files.OpenBlobs(target)
}

// Read opens a place for reading. It changes nothing, and fails if a folder does not exist.
func Read(ctx context.Context, target string) (eventlog.BlobReader, error) {
	bucket, prefix, err := split(target)
	switch {
	case err != nil:
		return nil, err
	case bucket != "":
		return openBucket(ctx, bucket, prefix)
	}
	return files.ReadBlobs(target)
}

const scheme = "s3://"

// bucketName is the form of a bucket's name.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Check refuses what is no target, without looking for what it names.
func Check(target string) error {
	_, _, err := split(target)
	return err
}

// split returns the bucket and the prefix of a target; no bucket if the target is a folder.
func split(target string) (bucket, prefix string, err error) {
	rest, isBucket := strings.CutPrefix(target, scheme)
	if !isBucket {
		if target == "" || strings.Contains(target, "://") {
			return "", "", fmt.Errorf("%q: %w", target, ErrNoPlace)
		}
		return "", "", nil
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !bucketName.MatchString(bucket) {
		return "", "", fmt.Errorf("%q: %q is no name of a bucket: %w", target, bucket, ErrNoPlace)
	}
	if err := eventlog.CheckPrefix(prefix); err != nil {
		return "", "", fmt.Errorf("%q: %w: %w", target, ErrNoPlace, err)
	}
	return bucket, prefix, nil
}

func openBucket(ctx context.Context, bucket, prefix string) (*s3.Blobs, error) {
	found, err := cloud.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", bucket, err)
	}
	blobs := s3.NewBlobs(awss3.NewFromConfig(found, s3.Bounded, s3.Traced), bucket)
	if prefix == "" {
		return blobs, nil
	}
	return blobs.Below(prefix)
}

// checkFolder refuses a folder that may not be written to. Its parent must exist: if it does not, the disk that
// is meant is probably not mounted.
func checkFolder(dir string) error {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("%q: %w: %w", dir, ErrNoPlace, err)
	}
	parent := filepath.Dir(whole)
	info, err := os.Stat(whole)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is no folder: %w", dir, ErrNoPlace)
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("neither %s nor the folder it is in exists: make it, or mount the disk that it is on", dir)
		}
	}
	for _, d := range []string{whole, parent} {
		if _, err := os.Stat(filepath.Join(d, dataMarker)); err == nil {
			return fmt.Errorf("%s is a data folder: choose a place outside of it, best on another disk", d)
		}
	}
	return nil
}
