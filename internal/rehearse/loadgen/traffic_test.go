package loadgen

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// canteen answers as the system should, except where wrong says otherwise.
func canteen(t *testing.T, wrong func(w http.ResponseWriter, r *http.Request) bool) *Traffic {
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
	return NewTraffic(NewClient(server.URL, Patience))
}

// until lets the guests go on until done, or for long enough to be sure.
func (t *Traffic) until(test *testing.T, done func(Tally) bool) Tally {
	test.Helper()
	t.Start(test.Context())
	defer t.Close()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if sum := t.SoFar(); done(sum) {
			return sum
		}
	}
	test.Fatalf("it never came to that: %+v", t.SoFar())
	return Tally{}
}

func TestGuestsWhoAreServedWellHaveNoReasonToComplain(t *testing.T) {
	t.Parallel()
	guests := canteen(t, func(http.ResponseWriter, *http.Request) bool { return false })
	sum := guests.until(t, func(s Tally) bool { return s.Orders >= 3 })
	if err := guests.Wrong(); err != nil || sum.Failed+sum.Stale != 0 || sum.Commands < 15 || sum.Queries < 15 || len(sum.Took) != sum.Requests() || sum.P95() <= 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestGuestsNoticeWhatGoesWrong(t *testing.T) {
	t.Parallel()
	pay := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/pay") }
	asPaid := func(r *http.Request) bool { return r.Header.Get("If-Min-Version") == "2" }
	for name, test := range map[string]struct {
		wrong func(w http.ResponseWriter, r *http.Request) bool
		done  func(Tally) bool
		want  string
	}{
		"a request that fails": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if pay(r) {
					http.Error(w, "down", http.StatusServiceUnavailable)
				}
				return pay(r)
			},
			func(s Tally) bool { return s.Failed > 0 && s.Stale == 0 }, "status 503",
		},
		"an answer from before the payment": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if asPaid(r) {
					fmt.Fprint(w, `{"orderId":"o","status":"ORDERED","version":1}`)
				}
				return asPaid(r)
			},
			func(s Tally) bool { return s.Stale > 0 && s.Failed == 0 }, "was shown version 1, ORDERED",
		},
		"a version that says something else": {
			func(w http.ResponseWriter, r *http.Request) bool {
				if asPaid(r) {
					fmt.Fprint(w, `{"orderId":"o","status":"ORDERED","version":2}`)
				}
				return asPaid(r)
			},
			func(s Tally) bool { return s.Stale > 0 && s.Failed == 0 }, "was shown version 2, ORDERED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guests := canteen(t, test.wrong)
			guests.until(t, test.done)
			if err := guests.Wrong(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestP95IsWhatNearlyAllKeepTo(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 0, 1: 1, 20: 19, 100: 95} {
		var sum Tally
		for i := range n {
			sum.Took = append(sum.Took, time.Duration(n-i))
		}
		if got := sum.P95(); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}
