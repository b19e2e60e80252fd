package replay

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// The messages of an EventLog.
const (
	messageApply     = "reproject:apply"
	messageDuplicate = "reproject:duplicate"
	messageGap       = "reproject:gap"
	messageParked    = "reproject:parked"
	messageSetAside  = "reproject:set-aside"
)

// noCorrelationID replaces a missing correlation id.
const noCorrelationID = "reproject"

// EventLog writes one log line per replayed event: the lines that a logger of package observe would write, at
// the several million per second that a replay needs. It writes whole lines, many at a time, in the order of
// the log.
type EventLog struct {
	w          io.Writer
	calm, warn []byte // start of the lines of each level
}

// NewEventLog writes to w at a level; parked streams are logged as warnings. Function is the value of that
// log field.
func NewEventLog(w io.Writer, level zerolog.Level, function string) *EventLog {
	return &EventLog{w: w, calm: lineStart(level, function), warn: lineStart(zerolog.WarnLevel, function)}
}

// lineStart returns what the logger itself writes up to the first field of an event.
func lineStart(level zerolog.Level, function string) []byte {
	var line bytes.Buffer
	logger := observe.NewLogger(&line, zerolog.TraceLevel, function)
	logger.WithLevel(level).Msg("")
	start, _, _ := bytes.Cut(line.Bytes(), []byte(`,"`+zerolog.TimestampFieldName+`":`))
	return start
}

// append appends the line for e and its outcome.
func (l *EventLog) append(dst []byte, e *event.Event, outcome outcome, stamp []byte) []byte {
	start, message := l.calm, messageApply
	switch {
	case outcome.reason != "":
		start, message = l.warn, messageParked
	case outcome.step == projection.Duplicate:
		message = messageDuplicate
	case outcome.step == projection.Gap:
		message = messageGap
	case outcome.step == projection.SetAside:
		message = messageSetAside
	}
	correlationID := e.CorrelationID
	if correlationID == "" {
		correlationID = noCorrelationID
	}
	dst = append(dst, start...)
	dst = event.AppendString(append(dst, `,"`+observe.FieldCorrelationID+`":`...), correlationID)
	dst = event.AppendString(append(dst, `,"`+observe.FieldEventID+`":`...), e.ID)
	dst = event.AppendString(append(dst, `,"`+observe.FieldEventType+`":`...), e.Type)
	dst = event.AppendString(append(dst, `,"`+observe.FieldStream+`":`...), e.Stream)
	if outcome.reason != "" {
		dst = event.AppendString(append(dst, `,"error":`...), outcome.reason)
	}
	dst = append(dst, stamp...)
	dst = append(dst, message...)
	return append(dst, "\"}\n"...)
}

// stamp returns the text between the fields of a line and its message, which is the same for every line of a
// moment.
func stamp(now time.Time) []byte {
	i, _ := event.InstantOf(now).MarshalText()
	return fmt.Appendf(nil, `,"timestamp":"%s","message":"`, i)
}

func (l *EventLog) write(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if _, err := l.w.Write(lines); err != nil {
		return fmt.Errorf("writing the event log: %w", err)
	}
	return nil
}
