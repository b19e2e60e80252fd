package demo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// canteen answers as the system should, except where wrong says otherwise.
func canteen(t *testing.T, wrong func(w http.ResponseWriter, r *http.Request) bool) *traffic {
	t.Helper()
	statuses := map[string]string{"pay": "PAID", "prepare": "PREPARING", "ready": "READY", "pickup": "PICKED_UP"}
	versions := map[string]int{"ORDERED": 1, "PAID": 2, "PREPARING": 3, "READY": 4, "PICKED_UP": 5}
	names := map[string]string{"1": "ORDERED", "2": "PAID", "3": "PREPARING", "4": "READY", "5": "PICKED_UP"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wrong(w, r) {
			return
		}
		status := "ORDERED"
		if r.Method == http.MethodGet {
			status = names[r.Header.Get("If-Min-Version")]
		} else if s := statuses[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]; s != "" {
			status = s
		}
		fmt.Fprintf(w, `{"orderId":"o","status":%q,"version":%d}`, status, versions[status])
	}))
	t.Cleanup(server.Close)
	return newTraffic(newClient(server.URL))
}

// until lets the guests go on until done, or for long enough to be sure.
func (t *traffic) until(test *testing.T, done func(tally) bool) tally {
	test.Helper()
	t.start(test.Context())
	defer t.close()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if sum := t.soFar(); done(sum) {
			return sum
		}
	}
	test.Fatalf("it never came to that: %+v", t.soFar())
	return tally{}
}

func TestGuestsWhoAreServedWellHaveNoReasonToComplain(t *testing.T) {
	t.Parallel()
	guests := canteen(t, func(http.ResponseWriter, *http.Request) bool { return false })
	sum := guests.until(t, func(s tally) bool { return s.orders >= 3 })
	if err := guests.wrong(); err != nil || sum.failed+sum.stale != 0 || sum.commands < 15 || sum.queries < 15 || len(sum.took) != sum.requests() || sum.p95() <= 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestGuestsNoticeWhatGoesWrong(t *testing.T) {
	t.Parallel()
	pay := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/pay") }
	asPaid := func(r *http.Request) bool { return r.Header.Get("If-Min-Version") == "2" }
	for name, test := range map[string]struct {
		wrong func(w http.ResponseWriter, r *http.Request) bool
		done  func(tally) bool
		want  string
	}{
		"a request that fails": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if pay(r) {
					http.Error(w, "down", http.StatusServiceUnavailable)
				}
				return pay(r)
			},
			func(s tally) bool { return s.failed > 0 && s.stale == 0 }, "status 503",
		},
		"an answer from before the payment": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if asPaid(r) {
					fmt.Fprint(w, `{"orderId":"o","status":"ORDERED","version":1}`)
				}
				return asPaid(r)
			},
			func(s tally) bool { return s.stale > 0 && s.failed == 0 }, "was shown version 1, ORDERED",
		},
		"a version that says something else": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if asPaid(r) {
					fmt.Fprint(w, `{"orderId":"o","status":"ORDERED","version":2}`)
				}
				return asPaid(r)
			},
			func(s tally) bool { return s.stale > 0 && s.failed == 0 }, "was shown version 2, ORDERED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guests := canteen(t, test.wrong)
			guests.until(t, test.done)
			if err := guests.wrong(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestP95IsWhatNearlyAllKeepTo(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 0, 1: 1, 20: 19, 100: 95} {
		var sum tally
		for i := range n {
			sum.took = append(sum.took, time.Duration(n-i))
		}
		if got := sum.p95(); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
