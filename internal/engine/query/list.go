package query

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
)

// The limits of a page, and of the work for one: a filter that few rows pass must not make one request read
// the whole table. Such a page is short or empty, with a cursor.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	maxRows      = 1_000 // rows checked per page
	maxBuckets   = 31    // buckets read per page
	chunk        = 100   // rows read at once
	plainChunk   = 25    // rows read at once without a filter
	// maxBytes is the size from which a page is full, since a client that reads slowly keeps the whole page
	// in memory. The largest rows have 22 KiB.
	maxBytes = 256 << 10
)

// maxCursor bounds a client's cursor, in bytes.
const maxCursor = 1_024

// ListRequest requests a page of rows, newest first.
type ListRequest struct {
	Value  string // one of the view's Values; "" for all rows
	Bucket string // such as a business day, 2026-01-24; "" for all
	Cursor string // of the previous page; "" for the first
	Limit  int    // 1 to MaxLimit; 0 is DefaultLimit
}

// Page is one page of rows.
type Page struct {
	Rows []Row
	Next string // the cursor of the next page; "" after the last
}

// List returns one page of rows, newest first. A page may be shorter than Limit although more follow: only an
// empty Next ends the list.
func (s Queries) List(ctx context.Context, r ListRequest) (Page, error) {
	return answer(ctx, s, s.View.Queries.List, func(ctx context.Context) (Page, error) {
		position, err := s.check(&r)
		if err != nil {
			return Page{}, err
		}
		var page Page
		_, err = s.read(ctx, func(a active) error {
			w := walk{browser: s.Browser, matches: s.View.Matches, table: a.table, request: r, at: position}
			page, err = w.page(ctx)
			return err
		})
		return page, err
	})
}

// maxAll bounds the rows of All.
const maxAll = 10_000

// All returns all rows of a bucket ("": of all buckets) in the order of List. It is for lists that are short by
// their nature, and fails beyond maxAll rows.
func (s Queries) All(ctx context.Context, bucket string) ([]Row, error) {
	return answer(ctx, s, s.View.Queries.List, func(ctx context.Context) ([]Row, error) {
		if s.View.Kept && s.Cache != nil {
			return s.Cache.all(ctx, s, bucket)
		}
		return s.rows(ctx, bucket)
	})
}

// rows reads all rows of a bucket.
func (s Queries) rows(ctx context.Context, bucket string) (all []Row, err error) {
	request := ListRequest{Bucket: bucket, Limit: MaxLimit}
	start, err := s.check(&request)
	if err != nil {
		return nil, err
	}
	_, err = s.read(ctx, func(a active) error {
		all = nil
		for at, more := start, true; more; {
			w := walk{browser: s.Browser, table: a.table, request: request, at: at}
			page, err := w.page(ctx)
			if err != nil {
				return err
			}
			if all = append(all, page.Rows...); len(all) > maxAll {
				return fmt.Errorf("the list of %s has more than %d rows", s.View.Projection, maxAll)
			}
			at, more = w.at, page.Next != ""
		}
		return nil
	})
	return all, err
}

// check decodes the cursor, sets the default limit, and refuses invalid requests.
func (s Queries) check(r *ListRequest) (position, error) {
	if r.Limit < 1 {
		r.Limit = DefaultLimit
	}
	r.Limit = min(r.Limit, MaxLimit)
	if r.Value != "" && !slices.Contains(s.View.Values, r.Value) {
		return position{}, &Error{CodeInvalidValue, fmt.Sprintf("%q must be one of %v", r.Value, s.View.Values)}
	}
	if r.Bucket != "" {
		if err := s.checkBucket(r.Bucket); err != nil {
			return position{}, &Error{CodeInvalidBucket, err.Error()}
		}
	}
	p, err := s.decodeCursor(r.Cursor)
	if err != nil || (r.Bucket != "" && p.Bucket != "" && p.Bucket != r.Bucket) {
		return position{}, &Error{CodeInvalidCursor, "the cursor is not one that this list has given: start again without it"}
	}
	if p.Bucket == "" {
		p.Bucket = r.Bucket
	}
	return p, nil
}

// position is the last row that was checked. It stays valid when readers are switched to another table
// version, since both values depend only on a stream's first event.
type position struct {
	Bucket string `json:"d"` // "" before the first one
	Sort   string `json:"s"` // "" before the bucket's first row
}

func (p position) cursor() string {
	raw, _ := json.Marshal(p) // two strings always encode
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (s Queries) decodeCursor(cursor string) (position, error) {
	var p position
	if cursor == "" {
		return p, nil
	}
	if len(cursor) > maxCursor {
		return p, fmt.Errorf("a cursor has at most %d bytes", maxCursor)
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, err
	}
	return p, s.checkBucket(p.Bucket)
}

func (s Queries) checkBucket(bucket string) error {
	if s.View.CheckBucket == nil {
		return nil
	}
	return s.View.CheckBucket(bucket)
}

// walk reads the rows of the buckets, newest first, and picks the requested ones.
type walk struct {
	browser projection.Browser
	matches func(row []byte, value string) (bool, error)
	table   projection.Table
	request ListRequest
	at      position
	result  Page
	rows    int
	buckets int
	bytes   int // of the rows on the page
}

func (w *walk) page(ctx context.Context) (Page, error) {
	if w.at.Bucket == "" {
		if more, err := w.nextBucket(ctx); err != nil || !more {
			return w.result, err
		}
	}
	for w.rows < maxRows && w.buckets < maxBuckets {
		done, err := w.readBucket(ctx)
		if err != nil || done {
			return w.result, err
		}
		if w.request.Bucket != "" {
			return w.result, nil
		}
		if more, err := w.nextBucket(ctx); err != nil || !more {
			return w.result, err
		}
	}
	w.result.Next = w.at.cursor()
	return w.result, nil
}

// nextBucket moves to the start of the next older bucket; it returns false if there is none.
func (w *walk) nextBucket(ctx context.Context) (bool, error) {
	buckets, err := w.browser.Buckets(ctx, w.table, w.at.Bucket, 1)
	if err != nil || len(buckets) == 0 {
		return false, err
	}
	w.at = position{Bucket: buckets[0]}
	w.buckets++
	return true, nil
}

// readBucket reads the bucket's rows after the position. It is done when the page is full and another row
// proves that the list continues, or when the limit of work is reached.
func (w *walk) readBucket(ctx context.Context) (done bool, err error) {
	for {
		size := w.chunk()
		records, err := w.browser.List(ctx, w.table, w.at.Bucket, w.at.Sort, size)
		if err != nil {
			return false, err
		}
		for i := range records {
			if len(w.result.Rows) == w.request.Limit || w.rows == maxRows || w.bytes >= maxBytes {
				w.result.Next = w.at.cursor()
				return true, nil
			}
			if err := w.look(&records[i]); err != nil {
				return false, err
			}
		}
		if len(records) < size {
			return false, nil
		}
	}
}

// chunk returns how many rows to read: without a filter, only those of the page and one more to know whether
// there are more.
func (w *walk) chunk() int {
	if w.request.Value != "" {
		return chunk
	}
	return min(w.request.Limit-len(w.result.Rows)+1, plainChunk)
}

func (w *walk) look(r *projection.Record) error {
	w.rows++
	w.at.Sort = r.Place.Sort
	if w.request.Value != "" {
		matches, err := w.matches(r.Data, w.request.Value)
		if err != nil {
			return fmt.Errorf("the stored row of %s cannot be read: %w", r.Stream, err)
		}
		if !matches {
			return nil
		}
	}
	w.bytes += len(r.Data)
	w.result.Rows = append(w.result.Rows, Row{Version: r.Version, Data: r.Data})
	return nil
}
