package s3

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeBucket is what this package needs of S3's HTTP API, with its rules: checksums are
// compared, ranges end with the object, lists come in pages. It refuses what it does not
// know, so that no test passes on something that was not looked at.
type fakeBucket struct {
	name string
	page int // most objects in a page of a list

	mu      sync.Mutex
	objects map[string]fakeObject
	// upset may answer a request itself, before the bucket does; true when it has.
	upset func(w http.ResponseWriter, r *http.Request) bool
	calls int
}

type fakeObject struct {
	data    []byte
	changed time.Time
}

// serve starts a bucket and returns its endpoint.
func (b *fakeBucket) serve(t *testing.T) string {
	t.Helper()
	b.objects = map[string]fakeObject{}
	if b.page == 0 {
		b.page = maxPage
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return server.URL
}

// sent is how many requests came, and forgets them.
func (b *fakeBucket) sent() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.calls
	b.calls = 0
	return n
}

// upsetBy sets what answers requests before the bucket does.
func (b *fakeBucket) upsetBy(upset func(w http.ResponseWriter, r *http.Request) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.upset = upset
}

// ServeHTTP is http.Handler.
func (b *fakeBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.upset != nil && b.upset(w, r) {
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != b.name {
		refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	}
	if unknown := unknownTo(r); unknown != "" {
		refuse(w, http.StatusNotImplemented, "NotImplemented: "+unknown)
		return
	}
	switch {
	case r.Method == http.MethodGet && key == "":
		b.list(w, r)
	case r.Method == http.MethodGet:
		b.get(w, r, key)
	case r.Method == http.MethodPut && key != "":
		b.put(w, r, key, body)
	case r.Method == http.MethodDelete && key != "":
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

// unknownTo names a parameter or a condition that this fake does not implement.
func unknownTo(r *http.Request) string {
	for name := range r.URL.Query() {
		if !slices.Contains([]string{"list-type", "prefix", "start-after", "max-keys", "continuation-token", "x-id"}, name) {
			return name
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "If-") && (name != "If-None-Match" || r.Method != http.MethodPut) || name == "Content-Encoding" || strings.HasPrefix(name, "X-Amz-Meta-") {
			return name
		}
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made up by a test</Message></Error>`, code)
}

func crc(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
}

func (b *fakeBucket) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	sum := sha256.Sum256(body)
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != hex.EncodeToString(sum[:]) {
		refuse(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	if sent := r.Header.Get("X-Amz-Checksum-Crc32"); sent != crc(body) {
		refuse(w, http.StatusBadRequest, "BadDigest")
		return
	}
	if condition := r.Header.Get("If-None-Match"); condition != "" {
		if _, there := b.objects[key]; there {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
	}
	b.objects[key] = fakeObject{body, time.Now().UTC().Truncate(time.Second)}
	w.Header().Set("ETag", strconv.Quote(hex.EncodeToString(sum[:])))
}

func (b *fakeBucket) get(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := b.objects[key]
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	from, to := 0, len(o.data)
	status := http.StatusOK
	if asked := r.Header.Get("Range"); asked != "" {
		var last int
		if n, err := fmt.Sscanf(asked, "bytes=%d-%d", &from, &last); n != 2 || err != nil || from > last {
			refuse(w, http.StatusNotImplemented, "NotImplemented")
			return
		}
		if from >= len(o.data) {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
		to, status = min(last+1, len(o.data)), http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.data)))
	} else if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		w.Header().Set("X-Amz-Checksum-Crc32", crc(o.data))
	}
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	w.Header().Set("Last-Modified", o.changed.Format(http.TimeFormat))
	w.WriteHeader(status)
	w.Write(o.data[from:to])
}

// listing is the answer to ListObjectsV2.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	KeyCount              int
	MaxKeys               int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listed
}

type listed struct {
	Key          string
	LastModified string
	Size         int
}

func (b *fakeBucket) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("max-keys"))
	if q.Get("list-type") != "2" || err != nil || limit < 0 {
		refuse(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			refuse(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		after = string(raw)
	}
	answer := listing{Name: b.name, MaxKeys: limit}
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= after {
			continue
		}
		if len(answer.Contents) == min(limit, b.page, maxPage) {
			answer.IsTruncated = true
			answer.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(answer.Contents[len(answer.Contents)-1].Key))
			break
		}
		o := b.objects[key]
		answer.Contents = append(answer.Contents, listed{key, o.changed.Format("2006-01-02T15:04:05.000Z"), len(o.data)})
	}
	answer.KeyCount = len(answer.Contents)
	w.Header().Set("Content-Type", "application/xml")
	xml.NewEncoder(w).Encode(answer)
}
