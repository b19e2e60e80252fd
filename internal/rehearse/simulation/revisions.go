package simulation

import (
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// ordersName is the projection that is rebuilt.
const ordersName = readmodel.OrdersName

// folded reports whether that projection folds a stream.
func folded(stream string) bool { return readmodel.Orders().Folds(stream) }

// revisions are those of the projection: in some runs the second is deployed on the way, and a
// rebuild makes the first table version of it while live delivery goes on writing the first.
func revisions() []model.Projection {
	first, second := readmodel.Orders(), readmodel.Orders()
	first.Revision, second.Revision = 1, 2
	second.NewRow = func() model.Row { return new(countedOrder) }
	return []model.Projection{first, second}
}

// countedOrder is the row of the second revision: it has another shape and other totals.
type countedOrder struct {
	Order  readmodel.Order `json:"order"`
	Events int64           `json:"events"`
}

// Apply is model.Row.
func (c *countedOrder) Apply(e *event.Event) error {
	err := c.Order.Apply(e)
	if err == nil {
		c.Events++
	}
	return err
}

// Contributions is model.Row.
func (c *countedOrder) Contributions() []model.Contribution {
	return append(c.Order.Contributions(), model.Contribution{Key: "events", Field: c.Order.Status, Amount: c.Events})
}

// Place is model.Row.
func (c *countedOrder) Place() model.Place { return c.Order.Place() }

// code returns the revisions that a process started now would know.
func (w *world) code() []model.Projection { return revisions()[:w.deployed] }

// deploy replaces the code. Idle instances of functions end, busy ones finish their invocation, and the
// embedded system restarts.
func (w *world) deploy() {
	w.deployed = len(revisions())
	w.s.history.add("operator", "deploys", goOn)
	w.s.count("deploys")
	for _, p := range w.projectors {
		p.process.retired = true
	}
	for _, p := range w.followers {
		p.crash()
	}
	for _, g := range w.guests {
		g.process.crash()
	}
}

func (w *world) deployable() bool { return w.upgrade && w.deployed < len(revisions()) }
