package query

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
)

// The bounds of a page, and of the work for one: a filter that few orders pass must not make
// one request read the whole table. Such a page comes back short, or empty, with a cursor.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	maxRows      = 1_000 // looked at for one page
	maxDays      = 31    // looked into for one page
	chunk        = 100   // rows read at once
	plainChunk   = 25    // when every row comes onto the page
	// maxBytes is from when on a page is full: a client that reads slowly keeps the whole page in
	// memory. The largest order has 22 KiB.
	maxBytes = 256 << 10
)

// maxCursor bounds what a client may send as a cursor, in bytes.
const maxCursor = 1_024

// ListRequest is the question for a page of orders, newest first.
type ListRequest struct {
	Status string // one of readmodel.Statuses; "" for all
	Day    string // business day in Tokyo on which the order was placed, as 2026-01-24; "" for all
	Cursor string // of the page before; "" for the first
	Limit  int    // 1 to MaxLimit; 0 is DefaultLimit
}

// Page is one page of orders.
type Page struct {
	Orders []Order
	Next   string // the cursor of the next page; "" after the last
}

// ListOrders is one page of orders, newest first. A page may be shorter than Limit although
// more follow: only an empty Next ends the list.
func (s *Service) ListOrders(ctx context.Context, r ListRequest) (Page, error) {
	return answer(ctx, s, "ListOrders", func(ctx context.Context) (Page, error) {
		position, err := r.check()
		if err != nil {
			return Page{}, err
		}
		var page Page
		_, err = s.read(ctx, func(a active) error {
			w := walk{browser: s.Browser, table: a.table, request: r, at: position}
			page, err = w.page(ctx)
			return err
		})
		return page, err
	})
}

// check reads the cursor, fills in the limit and refuses what cannot be asked.
func (r *ListRequest) check() (position, error) {
	if r.Limit < 1 {
		r.Limit = DefaultLimit
	}
	r.Limit = min(r.Limit, MaxLimit)
	if r.Status != "" && !slices.Contains(readmodel.Statuses, r.Status) {
		return position{}, &Error{CodeInvalidStatus, fmt.Sprintf("status must be one of %v", readmodel.Statuses)}
	}
	if r.Day != "" {
		if err := readmodel.CheckDay(r.Day); err != nil {
			return position{}, &Error{CodeInvalidDay, err.Error()}
		}
	}
	p, err := decodeCursor(r.Cursor)
	if err != nil || (r.Day != "" && p.Day != "" && p.Day != r.Day) {
		return position{}, &Error{CodeInvalidCursor, "the cursor is not one that this list has given: start again without it"}
	}
	if p.Day == "" {
		p.Day = r.Day
	}
	return p, nil
}

// position is the last row that was looked at. It stays right when another table version is
// switched to: both values follow from an order's first event alone.
type position struct {
	Day  string `json:"d"` // "" before the first day
	Sort string `json:"s"` // "" before the day's first row
}

func (p position) cursor() string {
	raw, _ := json.Marshal(p) // two strings always encode
	return base64.RawURLEncoding.EncodeToString(raw)
}

func decodeCursor(cursor string) (position, error) {
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
	return p, readmodel.CheckDay(p.Day)
}

// walk goes through the rows of the days, newest first, and picks those that were asked for.
type walk struct {
	browser projection.Browser
	table   projection.Table
	request ListRequest
	at      position
	result  Page
	rows    int
	days    int
	bytes   int // of the rows on the page
}

func (w *walk) page(ctx context.Context) (Page, error) {
	if w.at.Day == "" {
		if more, err := w.nextDay(ctx); err != nil || !more {
			return w.result, err
		}
	}
	for w.rows < maxRows && w.days < maxDays {
		done, err := w.readDay(ctx)
		if err != nil || done {
			return w.result, err
		}
		if w.request.Day != "" {
			return w.result, nil
		}
		if more, err := w.nextDay(ctx); err != nil || !more {
			return w.result, err
		}
	}
	w.result.Next = w.at.cursor()
	return w.result, nil
}

// nextDay moves before the first row of the next older day; false when there is none.
func (w *walk) nextDay(ctx context.Context) (bool, error) {
	days, err := w.browser.Buckets(ctx, w.table, w.at.Day, 1)
	if err != nil || len(days) == 0 {
		return false, err
	}
	w.at = position{Day: days[0]}
	w.days++
	return true, nil
}

// readDay looks at the rows of the day from the position on. It is done when the page is
// full and a further row proves that the list goes on, or when the work is used up.
func (w *walk) readDay(ctx context.Context) (done bool, err error) {
	for {
		size := w.chunk()
		records, err := w.browser.List(ctx, w.table, w.at.Day, w.at.Sort, size)
		if err != nil {
			return false, err
		}
		for i := range records {
			if len(w.result.Orders) == w.request.Limit || w.rows == maxRows || w.bytes >= maxBytes {
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

// chunk is how many rows to read: with no filter, just those of the page and one to know
// whether there are more.
func (w *walk) chunk() int {
	if w.request.Status != "" {
		return chunk
	}
	return min(w.request.Limit-len(w.result.Orders)+1, plainChunk)
}

func (w *walk) look(r *projection.Record) error {
	w.rows++
	w.at.Sort = r.Place.Sort
	if w.request.Status != "" {
		var row struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(r.Data, &row); err != nil {
			return fmt.Errorf("the stored row of %s cannot be read: %w", r.Stream, err)
		}
		if row.Status != w.request.Status {
			return nil
		}
	}
	w.bytes += len(r.Data)
	w.result.Orders = append(w.result.Orders, Order{Version: r.Version, Row: r.Data})
	return nil
}
