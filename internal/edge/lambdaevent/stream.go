package lambdaevent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/dynamo/eventitem"
)

// StreamHandler is a Lambda handler of the event table's stream.
type StreamHandler = func(context.Context, StreamBatch) (events.DynamoDBEventResponse, error)

// StreamBatch is a batch of records of a DynamoDB stream. Records are decoded one by one, so that an
// undecodable record does not affect the others.
type StreamBatch struct {
	Records []json.RawMessage `json:"Records"`
}

// streamRecord has the required fields of a record. Attributes that are neither strings nor numbers are not
// used, and are decoded as empty.
type streamRecord struct {
	EventID   string `json:"eventID"`
	EventName string `json:"eventName"`
	Change    struct {
		Created        float64              `json:"ApproximateCreationDateTime"` // seconds since 1970
		SequenceNumber string               `json:"SequenceNumber"`
		NewImage       map[string]attribute `json:"NewImage"`
	} `json:"dynamodb"`
}

type attribute struct {
	S *string `json:"S"`
	N *string `json:"N"`
}

// place is the position of a record in the stream.
type place struct {
	sequence string
	created  time.Time
}

// retryFrom returns the response with which Lambda delivers a record, and those after it, again.
func retryFrom(p place) events.DynamoDBEventResponse {
	return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{{ItemIdentifier: p.sequence}}}
}

// allIn returns the response with which Lambda delivers nothing again.
func allIn() events.DynamoDBEventResponse {
	return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
}

func newest(places []place) time.Time {
	var last time.Time
	for _, p := range places {
		if p.created.After(last) {
			last = p.created
		}
	}
	return last
}

// errNoEvent means that a record is not a new event: a stored event was changed or removed.
var errNoEvent = errors.New("a stored event was changed or removed")

// decode returns the events of a batch and their positions. It calls refused for each record that is not an
// event, with the reason: errNoEvent, or a decoding error. Delivering such a record again would not help,
// and would only block all records after it.
func decode(batch StreamBatch, refused func(json.RawMessage, error)) ([]event.Event, []place) {
	var delivered []event.Event
	var places []place
	for _, raw := range batch.Records {
		e, p, err := decodeRecord(raw)
		if err != nil {
			refused(raw, err)
			continue
		}
		delivered, places = append(delivered, e), append(places, p)
	}
	return delivered, places
}

// decodeRecord returns the event of a record and its position.
func decodeRecord(raw json.RawMessage) (event.Event, place, error) {
	var r streamRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return event.Event{}, place{}, fmt.Errorf("reading the record: %w", err)
	}
	switch r.EventName {
	case string(events.DynamoDBOperationTypeInsert):
	case string(events.DynamoDBOperationTypeModify), string(events.DynamoDBOperationTypeRemove):
		return event.Event{}, place{}, fmt.Errorf("%s: %w", r.EventName, errNoEvent)
	default:
		return event.Event{}, place{}, fmt.Errorf("the record's eventName is %q", r.EventName)
	}
	if len(r.Change.NewImage) == 0 {
		return event.Event{}, place{}, errors.New("the record has no new image: the stream must be of NEW_IMAGE")
	}
	fields := make(map[string]string, len(r.Change.NewImage))
	for name, a := range r.Change.NewImage {
		switch {
		case a.S != nil:
			fields[name] = *a.S
		case a.N != nil:
			fields[name] = *a.N
		}
	}
	e, err := eventitem.Decode(fields)
	return e, place{r.Change.SequenceNumber, time.UnixMilli(int64(r.Change.Created * 1000))}, err
}

// maxKeys bounds how many bytes of the keys of a refused record are logged.
const maxKeys = 512

// logRefused logs a refused record, with what is known about it.
func logRefused(ctx context.Context, message string, raw json.RawMessage, err error) {
	var known struct {
		EventID json.RawMessage `json:"eventID"`
		Change  struct {
			SequenceNumber json.RawMessage `json:"SequenceNumber"`
			Keys           json.RawMessage `json:"Keys"`
		} `json:"dynamodb"`
	}
	_ = json.Unmarshal(raw, &known) // unreadable fields stay empty
	keys := string(known.Change.Keys)
	observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.Bug)).Str(observe.FieldResult, observe.ResultNG).
		Str("recordId", string(known.EventID)).Str("sequenceNumber", string(known.Change.SequenceNumber)).
		Str("keys", keys[:min(len(keys), maxKeys)]).Err(err).Msg(message)
}
