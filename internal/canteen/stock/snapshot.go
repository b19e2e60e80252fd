package stock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"gakushoku/internal/model"
)

// Snapshots say how the state of a long day is stored. It names orders and no person.
var Snapshots = model.Snapshots[State]{Revision: 1, Encode: encode, Decode: decode}

// encode writes the state without its orders as a line of JSON, and each order as a line of phase, quantity and
// id, which is read much faster than JSON.
func encode(s State) ([]byte, error) {
	orders := s.Orders.All()
	s.Orders = Memory{}
	out, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	for _, e := range orders {
		if strings.Contains(e.OrderID, "\n") {
			return nil, fmt.Errorf("order %q does not go on a line", e.OrderID)
		}
		out = fmt.Appendf(out, "\n%s %d %s", e.Phase, e.Quantity, e.OrderID)
	}
	return out, nil
}

func decode(data []byte) (s State, err error) {
	head, rest, _ := bytes.Cut(data, []byte{'\n'})
	if err := json.Unmarshal(head, &s); err != nil || len(rest) == 0 {
		return s, err
	}
	entries := make([]Entry, 0, bytes.Count(rest, []byte{'\n'})+1)
	for line := range strings.SplitSeq(string(rest), "\n") {
		phase, after, _ := strings.Cut(line, " ")
		quantity, id, ok := strings.Cut(after, " ")
		n, err := strconv.ParseInt(quantity, 10, 64)
		if err != nil || !ok {
			return s, fmt.Errorf("%q is no order of a stored state", line)
		}
		entries = append(entries, Entry{OrderID: id, Quantity: n, Phase: phaseOf(phase)})
	}
	s.Orders = Memory{[][]Entry{entries}}
	return s, nil
}

// phaseOf returns the phase of this name, without a copy of the name where it is known.
func phaseOf(name string) Phase {
	for _, p := range [...]Phase{PhaseReserved, PhaseSold, PhaseReleased} {
		if string(p) == name {
			return p
		}
	}
	return Phase(name)
}
