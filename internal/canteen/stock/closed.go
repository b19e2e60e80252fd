package stock

import (
	"strings"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Closing says that a stream of stock is closed once its business day is over.
func Closing() model.Closing {
	return model.Closing{Streams: kind.Prefix, Closed: func(stream string, _ []event.Event, now event.Instant) (bool, error) {
		of, _, err := Split(strings.TrimPrefix(stream, kind.Prefix))
		return of < day.Of(now), err
	}}
}
