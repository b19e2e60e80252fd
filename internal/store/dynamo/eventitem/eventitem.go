// Package eventitem defines the form of an event in the DynamoDB event table, without the AWS SDK. The same
// items come as the SDK's attribute values when a stream is loaded, and as those of a Lambda stream event
// when it is delivered; both must be read alike.
package eventitem

import (
	"errors"
	"fmt"
	"strconv"

	"gakushoku/internal/event"
)

// The attributes of an item. They are stored, so never rename one. Version and Schema are numbers, all others
// strings; empty ones are omitted.
const (
	Stream        = "stream"  // the partition key
	Version       = "version" // the sort key
	EventID       = "eventId"
	Type          = "type"
	OccurredAt    = "occurredAt"
	CorrelationID = "correlationId"
	Payload       = "payload"
	Schema        = "schema"
	CausationID   = "causationId"
	CommandID     = "commandId"
	CommandHash   = "commandHash"
	Actor         = "actor"
	Traceparent   = "traceparent"
	Command       = "command"
	Role          = "role"
	Route         = "route"
	Origin        = "origin"
)

// Attribute is one attribute of an item: a string, or a number in decimal digits.
type Attribute struct {
	Name   string
	Value  string
	Number bool
}

// Encode returns the item of e, without attributes that would be empty. Stream and Version come first.
func Encode(e *event.Event) []Attribute {
	all := [...]Attribute{
		{Name: Stream, Value: e.Stream},
		{Name: Version, Value: strconv.FormatUint(e.Version, 10), Number: true},
		{Name: EventID, Value: e.ID},
		{Name: Type, Value: e.Type},
		{Name: OccurredAt, Value: e.OccurredAt.String()},
		{Name: CorrelationID, Value: e.CorrelationID},
		{Name: Payload, Value: string(e.Payload)},
		{Name: Schema, Value: strconv.Itoa(e.Schema), Number: true},
		{Name: CausationID, Value: e.CausationID},
		{Name: CommandID, Value: e.CommandID},
		{Name: CommandHash, Value: e.CommandHash},
		{Name: Actor, Value: e.Actor},
		{Name: Traceparent, Value: e.Traceparent},
		{Name: Command, Value: e.Command},
		{Name: Role, Value: e.Role},
		{Name: Route, Value: e.Route},
		{Name: Origin, Value: e.Origin},
	}
	filled := make([]Attribute, 0, len(all))
	for _, a := range all {
		if a.Value != "" {
			filled = append(filled, a)
		}
	}
	return filled
}

// Decode returns the event of an item, whose attributes come as strings, numbers in decimal digits. It
// ignores unknown attributes, so that a later version may add some.
func Decode(fields map[string]string) (event.Event, error) {
	e := event.Event{
		ID:            fields[EventID],
		Type:          fields[Type],
		CorrelationID: fields[CorrelationID],
		Stream:        fields[Stream],
		CausationID:   fields[CausationID],
		CommandID:     fields[CommandID],
		CommandHash:   fields[CommandHash],
		Actor:         fields[Actor],
		Traceparent:   fields[Traceparent],
		Command:       fields[Command],
		Role:          fields[Role],
		Route:         fields[Route],
		Origin:        fields[Origin],
	}
	if payload := fields[Payload]; payload != "" {
		e.Payload = []byte(payload)
	}
	if err := decodeNumbers(&e, fields); err != nil {
		return event.Event{}, fmt.Errorf("item of stream %q, version %q: %w", e.Stream, fields[Version], err)
	}
	return e, nil
}

func decodeNumbers(e *event.Event, fields map[string]string) error {
	if e.Stream == "" || e.ID == "" || e.Type == "" {
		return errors.New("it is no event: stream, eventId and type must be there")
	}
	var err error
	if e.Version, err = strconv.ParseUint(fields[Version], 10, 63); err != nil || e.Version == 0 {
		return errors.New("its version is not a whole number from 1")
	}
	if e.OccurredAt, err = event.ParseInstant(fields[OccurredAt]); err != nil {
		return fmt.Errorf("%s: %w", OccurredAt, err)
	}
	e.Schema = 1
	if schema, ok := fields[Schema]; ok {
		if e.Schema, err = strconv.Atoi(schema); err != nil {
			return fmt.Errorf("%s %q is not a whole number", Schema, schema)
		}
	}
	return nil
}
