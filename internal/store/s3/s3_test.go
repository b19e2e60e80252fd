package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/awsfault/awsfaulttest"
)

// hurried keeps the number of tries of Bounded but hardly waits between them.
func hurried(o *s3.Options) {
	o.Retryer = awsfault.Retryer(maxAttempts, time.Millisecond)
}

// patient is a client that never gives up on a network that loses some responses.
func patient(o *s3.Options) { o.Retryer = awsfault.Retryer(50, time.Millisecond) }

// blobsAt is the adapter on a bucket at an endpoint.
func blobsAt(endpoint, bucket string, more ...func(*s3.Options)) *Blobs {
	return NewBlobs(s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}, append([]func(*s3.Options){Bounded, hurried}, more...)...), bucket)
}

// filled is a bucket with one object, and the adapter on it.
func filled(t *testing.T) (*fakeBucket, *Blobs) {
	t.Helper()
	bucket := &fakeBucket{name: "log", page: 3}
	blobs := blobsAt(bucket.serve(t), "log")
	if err := blobs.Put(t.Context(), "segments/1", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	return bucket, blobs
}

// calls is every method of the port, by name.
func calls(b *Blobs) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Put":      func(ctx context.Context) error { return b.Put(ctx, "segments/2", []byte("x")) },
		"Create":   func(ctx context.Context) error { return b.Create(ctx, "segments/3", []byte("x")) },
		"Delete":   func(ctx context.Context) error { return b.Delete(ctx, "segments/1") },
		"Get":      func(ctx context.Context) error { _, err := b.Get(ctx, "segments/1"); return err },
		"GetRange": func(ctx context.Context) error { _, err := b.GetRange(ctx, "segments/1", 2, 3); return err },
		"List":     func(ctx context.Context) error { _, err := b.List(ctx, "segments/", "", 10); return err },
	}
}

func TestASegmentIsNeverReplacedAndItsOwnRepeatSucceeds(t *testing.T) {
	t.Parallel()
	bucket, blobs := filled(t)
	if err := blobs.Put(t.Context(), "segments/1", []byte("forged")); err == nil || !strings.Contains(err.Error(), "never replaced") || fault.ClassOf(err) == fault.Infra {
		t.Errorf("another object in place of a segment: %v", err)
	}
	if err := blobs.Put(t.Context(), "segments/1", []byte("0123456789")); err != nil {
		t.Errorf("the same once more, as after an answer that was lost: %v", err)
	}
	if data, err := blobs.Get(t.Context(), "segments/1"); err != nil || string(data) != "0123456789" {
		t.Errorf("the segment is %q now (%v)", data, err)
	}
	bucket.upsetBy(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			refuse(w, http.StatusConflict, "ConditionalRequestConflict")
		}
		return r.Method == http.MethodPut
	})
	if err := blobs.Put(t.Context(), "segments/2", []byte("x")); fault.ClassOf(err) != fault.Infra {
		t.Errorf("while another put of it goes on: %v, want what a new try may cure", err)
	}
}

func TestPassingFaultsAreUnavailableAfterAFewTries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		code   string
		after  time.Duration
	}{
		"a busy bucket":     {http.StatusServiceUnavailable, "SlowDown", awsfault.ThrottledFor},
		"an internal error": {http.StatusInternalServerError, "InternalError", 0},
		"a broken gateway":  {http.StatusBadGateway, "", 0},
	} {
		for call := range calls(nil) {
			t.Run(name+" to "+call, func(t *testing.T) {
				t.Parallel()
				bucket, blobs := filled(t)
				bucket.sent()
				bucket.upsetBy(func(w http.ResponseWriter, r *http.Request) bool {
					refuse(w, test.status, test.code)
					return true
				})
				err := calls(blobs)[call](t.Context())
				if fault.ClassOf(err) != fault.Infra || fault.RetryAfter(err) != test.after || bucket.sent() != maxAttempts {
					t.Errorf("class %s, retry after %s: %v", fault.ClassOf(err), fault.RetryAfter(err), err)
				}
			})
		}
	}
}

func slowDown(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusServiceUnavailable, "SlowDown")
}

func TestUnknownOutcomesAreUnavailable(t *testing.T) {
	t.Parallel()
	for _, f := range awsfaulttest.Faults {
		for call := range calls(nil) {
			if f == awsfaulttest.Garbled && call == "Delete" {
				continue // an object that is left over harms nobody
			}
			t.Run(call+" meets "+string(f), func(t *testing.T) {
				t.Parallel()
				bucket, _ := filled(t)
				err := calls(blobsAt(awsfaulttest.Serve(t, &awsfaulttest.Proxy{
					Target: bucket, Throttle: slowDown, Plan: awsfaulttest.Always(f),
				}), "log"))[call](t.Context())
				if fault.ClassOf(err) != fault.Infra {
					t.Errorf("got class %s: %v", fault.ClassOf(err), err)
				}
			})
		}
	}
}

// What breaks off may have said anything, also that it is the service that is busy.
func TestARefusalThatBreaksOffIsUnavailable(t *testing.T) {
	t.Parallel()
	for call := range calls(nil) {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			refusing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "NoSuchKey") })
			blobs := blobsAt(awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: refusing, Plan: awsfaulttest.Always(awsfaulttest.Cut)}), "log")
			if err := calls(blobs)[call](t.Context()); fault.ClassOf(err) != fault.Infra || errors.Is(err, eventlog.ErrNoBlob) {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

// Two prefixes of one bucket know nothing of each other, and none of what is above them.
func TestContractBelowAPrefix(t *testing.T) {
	t.Parallel()
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{Open: func(t *testing.T) eventlogtest.BlobsInstance {
		bucket := &fakeBucket{name: "log", page: 4}
		endpoint := bucket.serve(t)
		below := func(t *testing.T, prefix string) *Blobs {
			blobs, err := blobsAt(endpoint, "log").Below(prefix)
			if err != nil {
				t.Fatal(err)
			}
			return blobs
		}
		for _, other := range []*Blobs{blobsAt(endpoint, "log"), below(t, "a/c"), below(t, "a/bb")} {
			if err := other.Put(t.Context(), "runs/other", []byte("another's")); err != nil {
				t.Fatal(err)
			}
		}
		return eventlogtest.BlobsInstance{
			Store:  below(t, "a/b"),
			Reopen: func(t *testing.T) eventlog.Blobs { return below(t, "a/b") },
		}
	}})
}

func TestContractOverAnUnreliableNetwork(t *testing.T) {
	t.Parallel()
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{Open: func(t *testing.T) eventlogtest.BlobsInstance {
		bucket := &fakeBucket{name: "log", page: 4}
		bucket.serve(t)
		reported := awsfaulttest.Except(awsfaulttest.Garbled) // a delete does not notice that
		endpoint := awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: bucket, Throttle: slowDown, Plan: awsfaulttest.Seeded(1, 0.15, reported...)})
		return eventlogtest.BlobsInstance{
			Store:  blobsAt(endpoint, "log", patient),
			Reopen: func(*testing.T) eventlog.Blobs { return blobsAt(endpoint, "log", patient) },
		}
	}})
}

func TestWhatPassesBetweenTwoTriesIsNotSeen(t *testing.T) {
	t.Parallel()
	for call := range calls(nil) {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			bucket, blobs := filled(t)
			var upset atomic.Bool
			bucket.upsetBy(func(w http.ResponseWriter, r *http.Request) bool {
				if upset.Swap(true) {
					return false
				}
				refuse(w, http.StatusServiceUnavailable, "SlowDown")
				return true
			})
			if err := calls(blobs)[call](t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusalsThatNobodyWaitsOutAreBugs(t *testing.T) {
	t.Parallel()
	for call := range calls(nil) {
		t.Run(call+" to a bucket that is not there", func(t *testing.T) {
			t.Parallel()
			bucket := &fakeBucket{name: "log"}
			err := calls(blobsAt(bucket.serve(t), "other"))[call](t.Context())
			if err == nil || fault.ClassOf(err) != fault.Bug || errors.Is(err, eventlog.ErrNoBlob) {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
		})
		t.Run(call+" without permission", func(t *testing.T) {
			t.Parallel()
			bucket, blobs := filled(t)
			bucket.sent()
			bucket.upsetBy(func(w http.ResponseWriter, r *http.Request) bool {
				refuse(w, http.StatusForbidden, "AccessDenied")
				return true
			})
			if err := calls(blobs)[call](t.Context()); err == nil || fault.ClassOf(err) != fault.Bug || errors.Is(err, eventlog.ErrNoBlob) || bucket.sent() != 1 {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

func TestEndedContextComesBackAsItIs(t *testing.T) {
	t.Parallel()
	for call := range calls(nil) {
		t.Run(call+" before it began", func(t *testing.T) {
			t.Parallel()
			_, blobs := filled(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := calls(blobs)[call](ctx); err != context.Canceled {
				t.Errorf("got %v", err)
			}
		})
		t.Run(call+" while it waits", func(t *testing.T) {
			t.Parallel()
			bucket, blobs := filled(t)
			ctx, cancel := context.WithCancel(t.Context())
			bucket.upsetBy(func(w http.ResponseWriter, r *http.Request) bool {
				cancel()
				<-r.Context().Done()
				return true
			})
			if err := calls(blobs)[call](ctx); err != context.Canceled {
				t.Errorf("got %v", err)
			}
		})
	}
}

// breakingOff sends the beginning of an object and then closes the connection, times times.
func breakingOff(times int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if times--; times < 0 {
			return false
		}
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "0123")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestABodyThatBreaksOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	bucket, blobs := filled(t)
	bucket.upsetBy(breakingOff(bodyRetries.Tries - 1))
	if got, err := blobs.Get(t.Context(), "segments/1"); err != nil || string(got) != "0123456789" {
		t.Errorf("%q %v", got, err)
	}
	bucket.upsetBy(breakingOff(bodyRetries.Tries))
	if got, err := blobs.Get(t.Context(), "segments/1"); fault.ClassOf(err) != fault.Infra || got != nil {
		t.Errorf("%q, class %s: %v", got, fault.ClassOf(err), err)
	}
}

func TestADamagedObjectIsNotHandedOut(t *testing.T) {
	t.Parallel()
	bucket, blobs := filled(t)
	bucket.upsetBy(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-Amz-Checksum-Crc32", crc([]byte("0123456789")))
		io.WriteString(w, "0123456780")
		return true
	})
	if got, err := blobs.Get(t.Context(), "segments/1"); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{Open: func(t *testing.T) eventlogtest.BlobsInstance {
		endpoint := (&fakeBucket{name: "log", page: 4}).serve(t)
		return eventlogtest.BlobsInstance{
			Store:  blobsAt(endpoint, "log"),
			Reopen: func(*testing.T) eventlog.Blobs { return blobsAt(endpoint, "log") },
		}
	}})
}

// endpoint is where an emulator of S3 answers. Without one the test is skipped, unless it is
// said that there must be one.
func endpoint(t *testing.T) string {
	t.Helper()
	address := os.Getenv("S3_ENDPOINT")
	if address == "" && os.Getenv("REQUIRE_S3") != "" {
		t.Fatal("REQUIRE_S3 is set but S3_ENDPOINT is not")
	}
	if address == "" {
		t.Skip("needs an emulator of S3: run `make e2e`")
	}
	return address
}

func TestContractOnAnEmulator(t *testing.T) {
	t.Parallel()
	address := endpoint(t)
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{Open: func(t *testing.T) eventlogtest.BlobsInstance {
		bucket := "contract-" + strings.ToLower(ulid.Make().String())
		blobs := blobsAt(address, bucket)
		if _, err := blobs.client.(*s3.Client).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { empty(t, blobs) })
		return eventlogtest.BlobsInstance{
			Store:  blobs,
			Reopen: func(*testing.T) eventlog.Blobs { return blobsAt(address, bucket) },
		}
	}})
}

// empty removes a bucket and what is in it.
func empty(t *testing.T, b *Blobs) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found, err := b.List(ctx, "", "", maxPage)
	for _, o := range found {
		err = errors.Join(err, b.Delete(ctx, o.Key))
	}
	_, dropped := b.client.(*s3.Client).DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b.bucket})
	if err := errors.Join(err, dropped); err != nil {
		t.Error(err)
	}
}

func TestListsAreReadOverAllTheirPages(t *testing.T) {
	t.Parallel()
	bucket := &fakeBucket{name: "log", page: 3}
	blobs := blobsAt(bucket.serve(t), "log")
	var want []string
	for i := range 11 {
		key := fmt.Sprintf("manifests/%02d", i)
		want = append(want, key)
		if err := blobs.Put(t.Context(), key, bytes.Repeat([]byte("x"), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := blobs.Put(t.Context(), "manifests-of-others/1", nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		after string
		limit int
		want  []string
		calls int
	}{
		{"", 100, want, 4}, {"", 11, want, 4}, {"", 5, want[:5], 2}, {"manifests/04", 4, want[5:9], 2}, {"manifests/10", 4, nil, 1}, {"a", 3, want[:3], 1},
	} {
		t.Run(test.after+" "+strconv.Itoa(test.limit), func(t *testing.T) {
			bucket.sent()
			found, err := blobs.List(t.Context(), "manifests/", test.after, test.limit)
			var got []string
			for _, o := range found {
				got = append(got, o.Key)
				if n, _ := strconv.Atoi(o.Key[len(o.Key)-2:]); o.Bytes != int64(n) || time.Since(o.Changed).Abs() > time.Minute {
					t.Errorf("%+v", o)
				}
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
			if n := bucket.sent(); n != test.calls {
				t.Errorf("%d calls, want %d", n, test.calls)
			}
		})
	}
	if _, err := blobs.List(t.Context(), "manifests/", "", 0); err == nil {
		t.Error("a page of nothing was listed")
	}
}
