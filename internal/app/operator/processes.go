package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// Processes are the domain's processes, as operators use them. A process that is not set up yet is empty.
type Processes []*process.Operator

func processes(p *wiring.Ports) Processes {
	var all Processes
	for _, name := range canteen.Processes().Names() {
		ports := p.Process(name)
		ports.Pointers = &projection.CachedPointers{Source: p.Control, Now: time.Now} // operators see what is so now
		all = append(all, &process.Operator{Ports: ports, Rows: p.Tables, Undo: callOff(p.Commands())})
	}
	return all
}

// Of returns the process that a stream is found in. The stream may be named without its prefix.
func (ps Processes) Of(ctx context.Context, stream string) (*process.Operator, process.Shown, error) {
	var last error
	for _, o := range ps {
		name := stream
		if prefix := o.Revisions[0].Streams; !strings.HasPrefix(stream, prefix) {
			name = prefix + stream
		}
		shown, err := o.Show(ctx, name)
		if err == nil {
			return o, shown, nil
		}
		last = err
	}
	if last == nil {
		last = errors.New("this installation has no process")
	}
	return nil, process.Shown{}, fmt.Errorf("%s: %w", stream, last)
}

// Each calls f with what waits for a step in any process, or only with what is stuck.
func (ps Processes) Each(ctx context.Context, stuckOnly bool, f func(process.Waiting) error) error {
	for _, o := range ps {
		if err := o.List(ctx, stuckOnly, f); err != nil {
			return err
		}
	}
	return nil
}

// callOff returns how an operator has an order's process undo what it did: the order is cancelled. A second
// call for the same state of the order is the same command.
func callOff(commands *command.Handler) func(ctx context.Context, stream string, version uint64) error {
	return func(ctx context.Context, stream string, version uint64) error {
		ctx = observe.WithCaller(ctx, observe.Caller{Name: "operator", Role: "operator", Scopes: observe.EveryScope})
		_, err := command.Execute(ctx, commands, order.Rules, command.Request[order.Command]{
			ID: strings.TrimPrefix(stream, order.StreamPrefix), Command: order.CancelOrder{Reason: "called off by an operator"},
			Key: fmt.Sprintf("compensate-%s-%d", stream, version),
		})
		return err
	}
}
