package console

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	canteenorder "gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Feed is the event store as the pages follow it.
type Feed interface {
	Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error)
	Head(ctx context.Context) (uint64, error)
	MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error)
	Appended() <-chan struct{} // closed at the next append of this process
}

// Topics of pages. One order has a topic of its own.
const (
	topicMenu   = "menu"
	topicOrders = "orders"
	topicOrder  = "order:"
)

func topicOf(id string) string { return topicOrder + id }

// topicsOf returns the topics that an event belongs to.
func topicsOf(e *event.Event) []string {
	if id, ok := strings.CutPrefix(e.Stream, canteenorder.StreamPrefix); ok {
		return []string{topicOrders, topicOf(id)}
	}
	return []string{topicMenu}
}

const (
	feedPage = 500
	feedPoll = time.Second // how soon appends of other processes are seen
	// memory is how many changes are remembered for pages that come back after a cut connection. A page that
	// was away for longer is told to look again.
	memory = 4096
	// settle is how long lists may be behind an event: pages that show lists are told once more after it.
	settle    = 500 * time.Millisecond
	keepAlive = 15 * time.Second
	sendLimit = 10 * time.Second // a page that does not take what it is sent is given up
)

// change is what a page is told: something of its topics has changed.
type change struct {
	number  uint64 // of the newest event
	version uint64 // of the order, for the topic of one order
}

// remembered is a change of a topic.
type remembered struct {
	change
	topic string
}

// hub tells pages what has changed. One goroutine reads the feed, whatever the number of pages.
type hub struct {
	feed   Feed
	logger zerolog.Logger

	mu     sync.Mutex
	pages  map[string]map[chan change]bool // by topic
	recent []remembered                    // oldest first
	from   uint64                          // changes after this number are remembered
	head   uint64
	ended  chan struct{} // closed when the hub stops
}

func newHub(feed Feed, logger zerolog.Logger) *hub {
	return &hub{feed: feed, logger: logger, pages: map[string]map[chan change]bool{}, ended: make(chan struct{})}
}

// newest returns the number of the newest event that the hub has seen.
func (h *hub) newest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

// run follows the feed until ctx ends.
func (h *hub) run(ctx context.Context) {
	defer close(h.ended)
	var mark eventstore.Mark
	started := false
	for ctx.Err() == nil {
		appended := h.feed.Appended()
		var err error
		if !started {
			if mark, err = h.start(ctx); err == nil {
				started = true
			}
		}
		if err == nil {
			mark, err = h.follow(ctx, mark)
		}
		if err != nil && ctx.Err() == nil {
			h.logger.Warn().Err(err).Msg("console:delayed")
			started = false // the store may have been replaced: go on from its end
		}
		h.await(ctx, appended)
	}
}

func (h *hub) await(ctx context.Context, appended <-chan struct{}) {
	timer := time.NewTimer(feedPoll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-appended:
	case <-timer.C:
	}
}

// start returns the mark of the newest event. Pages that are open look again.
func (h *hub) start(ctx context.Context) (eventstore.Mark, error) {
	head, err := h.feed.Head(ctx)
	var mark eventstore.Mark
	if err == nil && head > 0 {
		mark, err = h.feed.MarkAfter(ctx, 0, int(head))
	}
	if err != nil {
		return mark, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head, h.from, h.recent = head, head, nil
	for topic := range h.pages {
		h.send(topic, change{number: head})
	}
	return mark, nil
}

// follow tells of everything after a mark, and returns the mark of the newest event.
func (h *hub) follow(ctx context.Context, mark eventstore.Mark) (eventstore.Mark, error) {
	for {
		events, next, err := h.feed.Since(ctx, mark, feedPage)
		if err != nil || len(events) == 0 {
			return mark, err
		}
		h.tell(events, mark.Number)
		mark = next
	}
}

// tell tells pages of events whose numbers follow one.
func (h *hub) tell(events []event.Event, after uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range events {
		h.head = after + uint64(i) + 1
		for _, topic := range topicsOf(&events[i]) {
			c := change{number: h.head, version: events[i].Version}
			h.recent = append(h.recent, remembered{c, topic})
			h.send(topic, c)
		}
	}
	if extra := len(h.recent) - memory; extra > 0 {
		h.from = h.recent[extra-1].number
		h.recent = slices.Delete(h.recent, 0, extra)
	}
}

// send gives a change to the pages of a topic. A page that has not taken the last one gets the newer one instead.
func (h *hub) send(topic string, c change) {
	for page := range h.pages[topic] {
		select {
		case <-page:
		default:
		}
		page <- c
	}
}

// join adds a page. It returns what the page has missed since it was at a number.
func (h *hub) join(topic string, at uint64) (page chan change, leave func()) {
	page = make(chan change, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages[topic] == nil {
		h.pages[topic] = map[chan change]bool{}
	}
	h.pages[topic][page] = true
	if missed := h.missed(topic, at); missed.number > 0 {
		page <- missed
	}
	return page, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if delete(h.pages[topic], page); len(h.pages[topic]) == 0 {
			delete(h.pages, topic)
		}
	}
}

// missed returns the newest change of a topic after a number; the zero change if there is none.
func (h *hub) missed(topic string, at uint64) change {
	for i := len(h.recent) - 1; i >= 0 && h.recent[i].number > at; i-- {
		if h.recent[i].topic == topic {
			return h.recent[i].change
		}
	}
	if at < h.from || at > h.head { // too long ago, or of another store
		return change{number: max(h.head, 1)}
	}
	return change{}
}
