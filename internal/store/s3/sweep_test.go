package s3

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"gakushoku/internal/store/awsfault/awsfaulttest"
)

// once is a client that repeats nothing.
func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

func TestNoRequestThatFailsIsPassedOver(t *testing.T) {
	t.Parallel()
	bucket := &fakeBucket{name: "log", page: 3}
	clean := blobsAt(bucket.serve(t), "log")
	var keys []string
	for i := range 8 {
		keys = append(keys, fmt.Sprintf("segments/%d", i))
		if err := clean.Put(t.Context(), keys[i], []byte(keys[i])); err != nil {
			t.Fatal(err)
		}
	}
	for name, do := range map[string]func(ctx context.Context, b *Blobs) (string, error){
		"List": func(ctx context.Context, b *Blobs) (string, error) {
			found, err := b.List(ctx, "segments/", "", 100)
			all := ""
			for _, o := range found {
				all += o.Key + " "
			}
			return all, err
		},
		"Get": func(ctx context.Context, b *Blobs) (string, error) {
			got, err := b.Get(ctx, keys[3])
			return string(got), err
		},
		"GetRange": func(ctx context.Context, b *Blobs) (string, error) {
			got, err := b.GetRange(ctx, keys[3], 2, 5)
			return string(got), err
		},
		"Put and Get": func(ctx context.Context, b *Blobs) (string, error) {
			if err := b.Put(ctx, "put/1", []byte("x")); err != nil {
				return "", err
			}
			got, err := clean.Get(ctx, "put/1")
			return string(got), err
		},
	} {
		want, err := do(t.Context(), clean)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			awsfaulttest.Sweep(t, bucket, slowDown, awsfaulttest.Operation{Begin: func(*testing.T) awsfaulttest.Attempt {
				got := ""
				return awsfaulttest.Attempt{
					Do: func(ctx context.Context, address string) (err error) {
						got, err = do(ctx, blobsAt(address, "log", once))
						return err
					},
					Check: func(t *testing.T) {
						if got != want {
							t.Errorf("%q, want %q", got, want)
						}
					},
				}
			}})
		})
	}
}
