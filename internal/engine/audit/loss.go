package audit

import "gakushoku/internal/event"

// LossType is the name of the events that say that an operator has accepted a loss.
const LossType = "AuditLossAccepted"

var lossType = event.Define[Loss](Kind, 1)

// LossLog is the id of the stream of these events.
const LossLog = "losses"

// What can be lost.
const (
	LostSeals = "checkpoints"
	LostKeys  = "keys"
)

// Loss is something that can no longer prove or tell anything about the events up to a number.
type Loss struct {
	Log  string `json:"log"`
	What string `json:"what"` // LostSeals or LostKeys
	UpTo int64  `json:"upTo"`
}

// EventType implements event.Payload.
func (Loss) EventType() string { return LossType }

// Decode reads the payload of an event.
func (l *Loss) Decode(e *event.Event) error {
	f := lossType.Fields(e)
	l.Log, l.What, l.UpTo = f.ID(), f.Required("what"), f.Integer("upTo")
	return f.Err()
}
