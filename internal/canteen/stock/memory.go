package stock

import (
	"encoding/json"
	"slices"
	"strings"
)

// Phase is what was last done for an order.
type Phase string

// The phases. Each order goes through them in this sequence, and may skip some.
const (
	PhaseReserved Phase = "RESERVED"
	PhaseSold     Phase = "SOLD"
	PhaseReleased Phase = "RELEASED" // also for an order that had nothing reserved: it cannot reserve any more
)

// Entry is what is remembered of one order.
type Entry struct {
	OrderID  string `json:"orderId"`
	Quantity int64  `json:"quantity,omitempty"` // portions that the order holds
	Phase    Phase  `json:"phase"`
}

// Memory remembers every order that the stock was asked for, so that each step happens once however often it
// comes. It is never changed in place: states that were folded from the same events may share it. Its JSON is
// the list of entries.
type Memory struct {
	// runs are sorted by order, the largest run first. Each is at least twice as long as the one after it, so
	// that adding one takes amortized logarithmic time. Newer runs hide older ones.
	runs [][]Entry
}

// Of returns what is remembered of an order, the zero Entry if nothing is.
func (m Memory) Of(orderID string) Entry {
	for _, run := range slices.Backward(m.runs) {
		if i, found := slices.BinarySearchFunc(run, orderID, compare); found {
			return run[i]
		}
	}
	return Entry{}
}

func compare(e Entry, orderID string) int { return strings.Compare(e.OrderID, orderID) }

// With returns the memory with an entry for its order.
func (m Memory) With(e Entry) Memory {
	last, kept := []Entry{e}, m.runs
	for len(kept) > 0 && len(kept[len(kept)-1]) < 2*len(last) {
		last = merge(kept[len(kept)-1], last)
		kept = kept[:len(kept)-1]
	}
	return Memory{append(slices.Clone(kept), last)}
}

// merge returns one run of two; entries of newer hide those of older.
func merge(older, newer []Entry) []Entry {
	merged := make([]Entry, 0, len(older)+len(newer))
	for len(older) > 0 && len(newer) > 0 {
		switch c := strings.Compare(older[0].OrderID, newer[0].OrderID); {
		case c < 0:
			merged, older = append(merged, older[0]), older[1:]
		case c == 0:
			older = older[1:]
		default:
			merged, newer = append(merged, newer[0]), newer[1:]
		}
	}
	return append(append(merged, older...), newer...)
}

// All returns all entries, sorted by order.
func (m Memory) All() []Entry {
	var all []Entry
	for _, run := range m.runs {
		all = merge(all, run)
	}
	return all
}

// MarshalJSON implements json.Marshaler.
func (m Memory) MarshalJSON() ([]byte, error) { return json.Marshal(m.All()) }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Memory) UnmarshalJSON(data []byte) error {
	var all []Entry
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.OrderID, b.OrderID) })
	*m = Memory{}
	if len(all) > 0 {
		m.runs = [][]Entry{all}
	}
	return nil
}
