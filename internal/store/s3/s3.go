// Package s3 stores the log's objects in a bucket: it implements the port eventlog.Blobs on S3 or a service
// with its API. Only this package knows the service's own rules (missing objects, ranges, pages of lists,
// throttling, bodies that break off).
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/store/awsfault"
)

// The limits of a call. An attempt may transfer a whole segment, so it has longer than a call of DynamoDB. A
// body that breaks off is read again, which the SDK does not do.
const (
	maxAttempts    = 4
	maxBackoff     = time.Second
	attemptTimeout = 30 * time.Second
	idleConns      = 32
	maxPage        = 1000 // the service's own limit
)

// bodyRetries is how an object is read again some of whose bytes did not arrive.
var bodyRetries = retry.Policy{Tries: 3, First: 200 * time.Millisecond, Longest: 400 * time.Millisecond}

// Bounded sets the standard retryer with few attempts and a time limit for each. It also makes the bucket
// part of the path if an endpoint was given (AWS_ENDPOINT_URL), since an emulator has no host name for each
// bucket. Pass it to s3.New or NewFromConfig; it keeps an HTTP client that a later option sets.
func Bounded(o *s3.Options) {
	o.Retryer = awsfault.Retryer(maxAttempts, maxBackoff)
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConns
	})
	o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	o.DisableLogOutputChecksumValidationSkipped = true // parts of an object have no checksum
}

// API is the part of the SDK that Blobs calls; *s3.Client implements it.
type API interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Blobs implements eventlog.Blobs in a bucket. It is safe for concurrent use.
type Blobs struct {
	client API
	bucket string
	prefix string // of all keys in the bucket; "" or ends with /
}

var _ eventlog.Blobs = (*Blobs)(nil)

// NewBlobs returns the objects of an existing bucket.
func NewBlobs(client API, bucket string) *Blobs { return &Blobs{client: client, bucket: bucket} }

// Below returns the objects whose keys begin with prefix and /, under keys without them.
func (b *Blobs) Below(prefix string) (*Blobs, error) {
	if err := eventlog.CheckKey(prefix); err != nil {
		return nil, err
	}
	return &Blobs{b.client, b.bucket, b.prefix + prefix + "/"}, nil
}

// at returns the name of an object in the bucket.
func (b *Blobs) at(key string) *string { return aws.String(b.prefix + key) }

// Put implements eventlog.Blobs. The SDK sends a checksum with the data, which the service compares. It puts
// a segment only if there is none with its key.
func (b *Blobs) Put(ctx context.Context, key string, data []byte) error {
	if err := eventlog.CheckKey(key); err != nil {
		return err
	}
	err := b.put(ctx, key, data, strings.HasPrefix(key, eventlog.SegmentFolder))
	if errors.Is(err, eventlog.ErrExists) {
		err = fmt.Errorf("%w, and a segment is never replaced", err)
	}
	return err
}

// Create implements eventlog.Creator.
func (b *Blobs) Create(ctx context.Context, key string, data []byte) error {
	if err := eventlog.CheckKey(key); err != nil {
		return err
	}
	return b.put(ctx, key, data, true)
}

// put puts an object; if once is set, only where none is.
func (b *Blobs) put(ctx context.Context, key string, data []byte, once bool) error {
	in := &s3.PutObjectInput{Bucket: &b.bucket, Key: b.at(key), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data)))}
	if once {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := b.client.PutObject(ctx, in)
	switch {
	case err == nil && out.ETag == nil:
		return b.notFromS3("writing", key)
	case ctx.Err() == nil && awsfault.HasCode(err, "PreconditionFailed"):
		return b.putBefore(ctx, key, data)
	case ctx.Err() == nil && awsfault.HasCode(err, "ConditionalRequestConflict"):
		// Another put of the same object is under way.
		return fault.Unavailable(fmt.Errorf("%s: %w", b.doing("writing", key), err))
	}
	return awsfault.Wrap(ctx, b.doing("writing", key), err)
}

// putBefore decides whether the existing object is the one to put: the SDK may have repeated the call after
// a try whose response was lost.
func (b *Blobs) putBefore(ctx context.Context, key string, data []byte) error {
	there, err := b.Get(ctx, key)
	switch {
	case errors.Is(err, eventlog.ErrNoBlob): // it was deleted meanwhile
		return fault.Unavailable(err)
	case err == nil && !bytes.Equal(there, data):
		err = fmt.Errorf("%s: %w", b.doing("writing", key), eventlog.ErrExists)
	}
	return err
}

// Delete implements eventlog.Blobs. In a versioned bucket the object's versions stay for as long as the
// bucket's lifecycle says.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	if err := eventlog.CheckKey(key); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: b.at(key)})
	return awsfault.Wrap(ctx, b.doing("deleting", key), err)
}

// Get implements eventlog.BlobReader.
func (b *Blobs) Get(ctx context.Context, key string) ([]byte, error) {
	return b.read(ctx, key, &s3.GetObjectInput{Bucket: &b.bucket}, -1)
}

// GetRange implements eventlog.BlobReader.
func (b *Blobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if offset < 0 || length < 1 || offset > math.MaxInt64-length {
		return nil, fmt.Errorf("%s: there are no %d bytes from %d on", b.doing("reading", key), length, offset)
	}
	part := fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	return b.read(ctx, key, &s3.GetObjectInput{Bucket: &b.bucket, Range: &part}, length)
}

// read reads an object or a range, which must have length bytes unless length is -1.
func (b *Blobs) read(ctx context.Context, key string, in *s3.GetObjectInput, length int64) (data []byte, err error) {
	if err := eventlog.CheckKey(key); err != nil {
		return nil, err
	}
	in.Key = b.at(key)
	err = retry.Do(ctx, bodyRetries, func() (broken bool, err error) {
		data, broken, err = b.readOnce(ctx, key, in)
		switch {
		case err == nil:
			return false, nil
		case ctx.Err() != nil || !broken:
			return false, b.notRead(ctx, key, err)
		}
		return true, fault.Unavailable(fmt.Errorf("%s: %w", b.doing("reading", key), err))
	})
	if err == nil && length >= 0 && int64(len(data)) != length {
		err = fmt.Errorf("%s: %s has %d bytes only", b.doing("reading", key), aws.ToString(in.Range), len(data))
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// readOnce reads once. broken reports that the object was there but some of its bytes did not arrive.
func (b *Blobs) readOnce(ctx context.Context, key string, in *s3.GetObjectInput) (data []byte, broken bool, err error) {
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		return nil, false, err
	}
	defer out.Body.Close()
	if out.LastModified == nil {
		return nil, true, errNotFromS3
	}
	if err := eventlog.CheckSize(key, aws.ToInt64(out.ContentLength)); err != nil {
		return nil, false, err
	}
	var read bytes.Buffer
	read.Grow(int(aws.ToInt64(out.ContentLength)) + bytes.MinRead) // so that it is never copied
	if _, err := read.ReadFrom(out.Body); err != nil {
		return nil, true, err // a connection that broke, or a checksum that is not the object's
	}
	return read.Bytes(), false, nil
}

// notRead wraps the error of a call that reads an object.
func (b *Blobs) notRead(ctx context.Context, key string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case awsfault.HasCode(err, "NoSuchKey"):
		return fmt.Errorf("%s: %w", b.doing("reading", key), eventlog.ErrNoBlob)
	}
	return awsfault.Wrap(ctx, b.doing("reading", key), err)
}

// List implements eventlog.BlobReader.
func (b *Blobs) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	if err := eventlog.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, fmt.Errorf("%s: invalid page size %d", b.doing("listing", prefix), limit)
	}
	in := &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: b.at(prefix)}
	if after != "" {
		in.StartAfter = b.at(after)
	}
	var found []eventlog.Blob
	for {
		in.MaxKeys = aws.Int32(int32(min(limit-len(found), maxPage)))
		out, err := b.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, awsfault.Wrap(ctx, b.doing("listing", prefix), err)
		}
		if aws.ToString(out.Name) != b.bucket {
			return nil, b.notFromS3("listing", prefix)
		}
		for _, o := range out.Contents {
			found = append(found, eventlog.Blob{Key: strings.TrimPrefix(aws.ToString(o.Key), b.prefix), Bytes: aws.ToInt64(o.Size), Changed: aws.ToTime(o.LastModified)})
		}
		// A page may be shorter than requested, and even empty, although more follow.
		if len(found) >= limit || !aws.ToBool(out.IsTruncated) {
			return found, nil
		}
		if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
			return nil, errors.New(b.doing("listing", prefix) + ": there is more, but the response does not say how to continue")
		}
	}
}

// errNotFromS3 means that a response lacks headers that S3 always sends: it came from something in between,
// and the outcome is unknown.
var errNotFromS3 = errors.New("the response is not one of S3")

func (b *Blobs) notFromS3(what, key string) error {
	return fault.Unavailable(fmt.Errorf("%s: %w", b.doing(what, key), errNotFromS3))
}

func (b *Blobs) doing(what, key string) string {
	return fmt.Sprintf("%s %s%s in bucket %s", what, b.prefix, key, b.bucket)
}
