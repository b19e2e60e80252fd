package audit

import (
	"strings"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Closing says that a stream of refused commands is closed once its day, which its name begins with, is over.
func Closing() model.Closing {
	return model.Closing{Streams: Kind.Prefix, Closed: func(stream string, _ []event.Event, now event.Instant) (bool, error) {
		name := strings.TrimPrefix(stream, Kind.Prefix)
		day, err := time.Parse(time.DateOnly, name[:min(len(name), len(time.DateOnly))])
		return err == nil && now.Time().Sub(day) >= 24*time.Hour, nil // other streams have no day
	}}
}
