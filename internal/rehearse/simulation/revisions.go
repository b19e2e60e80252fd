package simulation

import (
	"strconv"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// revisionsOf returns two revisions of a projection with rows of type T: in some runs the second is deployed on
// the way, and a rebuild makes the first table version of it while live delivery goes on writing the first.
func revisionsOf[T any, P rowOf[T]](first model.Projection) []model.Projection {
	first.Revision = 1
	second := first
	second.Revision = 2
	second.NewRow = func() model.Row { return new(counted[T, P]) }
	return []model.Projection{first, second}
}

type rowOf[T any] interface {
	*T
	model.Row
}

// counted is the row of the second revision: it has another shape and other totals.
type counted[T any, P rowOf[T]] struct {
	Row    T     `json:"row"`
	Events int64 `json:"events"`
}

// Apply is model.Row.
func (c *counted[T, P]) Apply(e *event.Event) error {
	err := P(&c.Row).Apply(e)
	if err == nil {
		c.Events++
	}
	return err
}

// Contributions is model.Row.
func (c *counted[T, P]) Contributions() []model.Contribution {
	all := P(&c.Row).Contributions()
	return append(all, model.Contribution{Key: "events", Field: strconv.Itoa(len(all)), Amount: c.Events})
}

// Place is model.Row.
func (c *counted[T, P]) Place() model.Place { return P(&c.Row).Place() }

// code returns the revisions that a process started now would know.
func (w *world) code() []model.Projection { return w.domain.revisions[:w.deployed] }

// deploy replaces the code. Idle instances of functions end, busy ones finish their invocation, and the
// embedded system restarts.
func (w *world) deploy() {
	w.deployed = len(w.domain.revisions)
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

func (w *world) deployable() bool { return w.upgrade && w.deployed < len(w.domain.revisions) }
