package query

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// shelf is a Browser with rows made up on the spot, which counts what is read.
type shelf struct {
	projection.Browser
	days map[string][]projection.Record // newest first
	read int
}

func (s *shelf) List(_ context.Context, _ projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	var found []projection.Record
	for _, r := range s.days[bucket] {
		if (after == "" || r.Place.Sort < after) && len(found) < limit {
			found = append(found, r)
		}
	}
	s.read += len(found)
	return found, nil
}

func (s *shelf) Buckets(_ context.Context, _ projection.Table, before string, limit int) ([]string, error) {
	var found []string
	for day := range s.days {
		if before == "" || day < before {
			found = append(found, day)
		}
	}
	slices.Sort(found)
	slices.Reverse(found)
	return found[:min(len(found), limit)], nil
}

// stock fills a shelf: counts[i] orders on the i-th day back, of which every nth is paid.
func stock(counts []int, nth int) (*shelf, map[string][]string) {
	s := &shelf{days: map[string][]projection.Record{}}
	all := map[string][]string{}
	for d, count := range counts {
		day := now().AddDate(0, 0, -d).Format("2006-01-02")
		for i := count; i > 0; i-- {
			status := readmodel.StatusOrdered
			if i%nth == 0 {
				status = readmodel.StatusPaid
			}
			id := fmt.Sprintf("%s#%05d", day, i)
			s.days[day] = append(s.days[day], projection.Record{
				Stream: id, Version: 1, Data: fmt.Appendf(nil, `{"orderId":%q,"status":%q}`, id, status), Place: model.Place{Bucket: day, Sort: id},
			})
			all[""], all[status] = append(all[""], id), append(all[status], id)
		}
	}
	return s, all
}

// follow reads a list to its end, and reports the pages and the most rows read for one.
func follow(t rapid.TB, f Queries, s *shelf, r ListRequest) (ids []string, pages, most int) {
	for {
		s.read = 0
		page, err := f.List(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		pages, most = pages+1, max(most, s.read)
		for _, o := range page.Rows {
			row := string(o.Data)
			ids = append(ids, row[len(`{"orderId":"`):len(`{"orderId":"`)+16])
		}
		if len(page.Rows) > r.Limit {
			t.Fatalf("%d orders on a page of %d", len(page.Rows), r.Limit)
		}
		if r.Cursor = page.Next; page.Next == "" {
			return ids, pages, most
		}
		if pages > 10_000 {
			t.Fatal("the list does not end")
		}
	}
}

func listService(t *testing.T, s *shelf) Queries {
	f := newFixture(t)
	f.ensure()
	f.Browser = s
	return f.Queries
}

// Orders as large as they may be: a page ends before it is too large for many to be sent at once.
func TestAPageOfLargeOrdersIsShort(t *testing.T) {
	t.Parallel()
	s, all := stock([]int{MaxLimit}, 2)
	for _, records := range s.days {
		for i := range records {
			r := &records[i]
			r.Data = fmt.Appendf(r.Data[:len(r.Data)-1], `,"note":%q}`, strings.Repeat("x", 22<<10))
		}
	}
	f := listService(t, s)
	page, err := f.List(t.Context(), ListRequest{Limit: MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, o := range page.Rows {
		size += len(o.Data)
	}
	if page.Next == "" || size < maxBytes || size > maxBytes+23<<10 {
		t.Errorf("%d orders of %d bytes, next %q", len(page.Rows), size, page.Next)
	}
	ids, _, _ := follow(t, f, s, ListRequest{Limit: MaxLimit})
	if diff := cmp.Diff(all[""], ids); diff != "" {
		t.Error(diff)
	}
}

func TestListsAreCompleteWhateverThePages(t *testing.T) {
	t.Parallel()
	f := listService(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(0, 12), 0, 40).Draw(t, "counts")
		s, all := stock(counts, rapid.IntRange(1, 5).Draw(t, "nth"))
		reader := *f.Reader
		reader.Browser = s
		status := rapid.SampledFrom([]string{"", readmodel.StatusPaid, readmodel.StatusOrdered, readmodel.StatusReady}).Draw(t, "status")
		ids, _, _ := follow(t, reader.Of(f.View), s, ListRequest{Value: status, Limit: rapid.IntRange(1, 15).Draw(t, "limit")})
		if diff := cmp.Diff(all[status], ids); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTheWorkForAPageIsBounded(t *testing.T) {
	t.Parallel()
	s, _ := stock([]int{0, 5000, 10}, 1_000_000)
	ids, pages, most := follow(t, listService(t, s), s, ListRequest{Value: readmodel.StatusPaid, Limit: 20})
	if len(ids) > 0 || pages < 5 || most > maxRows+chunk {
		t.Errorf("%d found in %d pages, at most %d rows read for one", len(ids), pages, most)
	}
	s, all := stock(slices.Repeat([]int{1}, 200), 150)
	ids, pages, _ = follow(t, listService(t, s), s, ListRequest{Value: readmodel.StatusOrdered, Limit: 100})
	if len(ids) != len(all[readmodel.StatusOrdered]) || pages < 200/maxBuckets {
		t.Errorf("%d found in %d pages", len(ids), pages)
	}
}

func TestAListWithoutFilterReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	s, _ := stock([]int{500}, 2)
	if _, _, most := follow(t, listService(t, s), s, ListRequest{Limit: 20}); most > 21 {
		t.Errorf("%d rows were read for a page of 20", most)
	}
}

func TestTheLastPageSaysSo(t *testing.T) {
	t.Parallel()
	s, _ := stock([]int{20}, 1)
	if ids, pages, _ := follow(t, listService(t, s), s, ListRequest{Limit: 20}); len(ids) != 20 || pages != 1 {
		t.Errorf("%d orders in %d pages, want one page of 20", len(ids), pages)
	}
}

func TestOrdersThatComeInWhileAListIsReadChangeNothingBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	place := func(i int) {
		id := fmt.Sprintf("o%02d", i)
		f.project(f.append(id, now().Add(time.Duration(i)*time.Second), order.Placed{OrderID: id, Total: 1}))
	}
	for i := range 10 {
		place(i)
	}
	first, err := f.List(t.Context(), ListRequest{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	place(10)
	rest, err := f.List(t.Context(), ListRequest{Limit: 5, Cursor: first.Next})
	if err != nil || len(rest.Rows) != 5 || rest.Next != "" {
		t.Errorf("%d orders, next %q, %v", len(rest.Rows), rest.Next, err)
	}
}

func TestWhatNobodyCanAskFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ensure()
	cursor := func(raw string) string { return base64.RawURLEncoding.EncodeToString([]byte(raw)) }
	for name, test := range map[string]struct {
		request ListRequest
		code    string
	}{
		"status":                {ListRequest{Value: "paid"}, CodeInvalidValue},
		"day":                   {ListRequest{Bucket: "2026-02-30"}, CodeInvalidBucket},
		"cursor not base64":     {ListRequest{Cursor: "=="}, CodeInvalidCursor},
		"cursor not JSON":       {ListRequest{Cursor: cursor("x")}, CodeInvalidCursor},
		"cursor of other JSON":  {ListRequest{Cursor: cursor(`{"d":7}`)}, CodeInvalidCursor},
		"cursor without a day":  {ListRequest{Cursor: cursor(`{}`)}, CodeInvalidCursor},
		"cursor of no day":      {ListRequest{Cursor: cursor(`{"d":"2026-02-30"}`)}, CodeInvalidCursor},
		"cursor of another day": {ListRequest{Bucket: "2026-01-23", Cursor: position{Bucket: "2026-01-24"}.cursor()}, CodeInvalidCursor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := f.List(t.Context(), test.request); code(err) != test.code {
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}

func TestAShortListIsReadAsAWhole(t *testing.T) {
	t.Parallel()
	s, all := stock([]int{120, 0, 230}, 3)
	f := listService(t, s)
	for name, test := range map[string]struct {
		bucket string
		want   int
	}{"all buckets": {"", len(all[""])}, "one bucket": {now().Format("2006-01-02"), 120}, "none": {"2020-01-01", 0}} {
		if rows, err := f.All(t.Context(), test.bucket); err != nil || len(rows) != test.want {
			t.Errorf("%s: %d rows, %v; want %d", name, len(rows), err, test.want)
		}
	}
	if _, err := f.All(t.Context(), "today"); code(err) != CodeInvalidBucket {
		t.Errorf("a bucket that is none: %v", err)
	}
	f.View.CheckBucket = nil // lists of another kind
	if rows, err := f.All(t.Context(), "today"); err != nil || len(rows) > 0 {
		t.Errorf("any bucket: %d rows, %v", len(rows), err)
	}
	s, _ = stock([]int{maxAll + 1}, 3)
	if _, err := listService(t, s).All(t.Context(), ""); err == nil {
		t.Error("a list that is not short was read")
	}
}
