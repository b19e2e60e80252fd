package event

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Payload is what an event of one type holds besides the envelope. If the values have bounds beyond their
// JSON types, it is also a Checker.
type Payload interface {
	// EventType returns the stored name of the type, such as LoanTaken.
	EventType() string
}

// Checker is a payload that can check that its values are within the bounds of its domain. An import
// refuses the event otherwise.
type Checker interface{ Check() error }

// Kind is a kind of streams: the streams of one kind of aggregate.
type Kind struct {
	Prefix string // of the streams' names, such as "loan-"
	Key    string // the key in payloads that identifies the aggregate, such as "loanId"
	Types  string // prefix of the names of its types, future ones included, such as "Loan"
}

// Stream returns the name of one aggregate's stream.
func (k Kind) Stream(id string) string { return k.Prefix + id }

// Name returns what people call an aggregate of the kind, such as "loan".
func (k Kind) Name() string { return strings.TrimSuffix(k.Prefix, "-") }

// Kinds returns the kinds of all types that this program knows, sorted by name.
func Kinds() []Kind {
	all := make([]Kind, len(kinds))
	for i, t := range kinds {
		all[i] = t.Kind
	}
	return slices.SortedFunc(slices.Values(all), func(a, b Kind) int { return strings.Compare(a.Prefix, b.Prefix) })
}

// KindOf returns the kind of a stream and the id of its aggregate, or false if no kind has such streams.
func KindOf(stream string) (k Kind, id string, ok bool) {
	for _, t := range kinds {
		if id, ok = strings.CutPrefix(stream, t.Kind.Prefix); ok {
			return t.Kind, id, true
		}
	}
	return Kind{}, "", false
}

// Type defines how the events of one type are stored. Each is defined once, beside its payload.
type Type struct {
	Name   string
	Schema int // the current schema; payloads of older ones are upcast when decoded
	Kind   Kind

	keys     []string   // of the payload, with quotes and colon, as programs usually write them
	inner    [][]string // by key: the keys of the objects in an array
	instants []int      // the keys whose values are times
	id       []int      // the field of the payload's struct whose key is Kind.Key
	idName   string     // what errors call its value
	decode   func(*Event) (Payload, error)
}

// types are all defined types by name, and kinds are their kinds. Both are complete when main begins.
var (
	types = map[string]*Type{}
	kinds []*Type
)

// ofType returns the definition of a type. For an unknown type it returns what the types of its kind have
// in common, or nil if there is no such kind.
func ofType(name string) *Type {
	if t := types[name]; t != nil {
		return t
	}
	for _, k := range kinds {
		if k.Kind.Types != "" && strings.HasPrefix(name, k.Kind.Types) {
			return k
		}
	}
	return nil
}

// Types returns all types that this program knows, sorted by name.
func Types() []*Type {
	return slices.SortedFunc(maps.Values(types), func(a, b *Type) int { return strings.Compare(a.Name, b.Name) })
}

// ErrUnknownType is returned by DecodePayload for a type that this program does not know.
var ErrUnknownType = errors.New("unknown event type")

// Define registers the type of events that T is the payload of. The JSON tags of T list the payload's
// keys; *T decodes every schema up to this one. Define panics on programming errors: a name defined twice,
// more keys than Fields has room for, or no string with the kind's key.
func Define[T Payload, P interface {
	*T
	Decode(*Event) error
}](kind Kind, schema int) *Type {
	t := define[T, P](kind, schema)
	if !slices.ContainsFunc(kinds, func(k *Type) bool { return k.Kind == kind }) {
		kinds = append(kinds, &Type{Kind: kind, keys: []string{quoted(kind.Key)}, inner: make([][]string, 1), idName: t.idName})
	}
	return t
}

// allStreams is the Kind of the types that every kind of streams may have.
var allStreams = Kind{Key: "stream"}

// DefineForAll is Define for a type that streams of every kind may have. Its payload has the name of the
// stream, under the key "stream".
func DefineForAll[T Payload, P interface {
	*T
	Decode(*Event) error
}](schema int) *Type {
	return define[T, P](allStreams, schema)
}

func define[T Payload, P interface {
	*T
	Decode(*Event) error
}](kind Kind, schema int) *Type {
	var zero T
	t := &Type{Name: zero.EventType(), Schema: schema, Kind: kind, idName: "payload." + kind.Key, decode: decoded[T, P]}
	t.readKeys(reflect.TypeFor[T]())
	if types[t.Name] != nil || len(t.keys) > maxKeys || t.id == nil {
		panic(fmt.Sprintf("event type %s is defined twice, has more than %d keys, or has no %s", t.Name, maxKeys, kind.Key))
	}
	types[t.Name] = t
	return t
}

func decoded[T Payload, P interface {
	*T
	Decode(*Event) error
}](e *Event) (Payload, error) {
	var p T
	if err := P(&p).Decode(e); err != nil {
		return nil, err
	}
	return p, nil
}

// readKeys reads the keys from the tags of a payload's struct.
func (t *Type) readKeys(payload reflect.Type) {
	t.keys = keysOf(payload)
	t.inner = make([][]string, len(t.keys))
	for i, f := range fieldsOf(payload) {
		switch {
		case t.keys[i] == quoted(t.Kind.Key) && f.Type.Kind() == reflect.String:
			t.id = f.Index
		case f.Type == reflect.TypeFor[Instant]():
			t.instants = append(t.instants, i)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			t.inner[i] = keysOf(f.Type.Elem())
		}
	}
}

// fieldsOf returns the fields of a struct, and those of structs that are embedded in it in their place.
func fieldsOf(object reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(object), func(f reflect.StructField) bool { return f.Anonymous })
}

func keysOf(object reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(object) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys = append(keys, quoted(name))
	}
	return keys
}

// quoted returns a key with quotes and colon, as programs usually write it.
func quoted(key string) string { return `"` + key + `":` }

// known returns the name of a type as it was defined, so that many events share one string.
func known(name string) string {
	if t := types[name]; t != nil {
		return t.Name
	}
	return name
}

// DecodePayload decodes the payload of e as the type that its envelope names, upcast to the current schema.
// It returns ErrUnknownType, or an error of the payload's Decode: the schema is newer than this program, or
// a field is missing or has the wrong type.
func DecodePayload(e *Event) (Payload, error) {
	t := types[e.Type]
	if t == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownType, e.Type)
	}
	return t.decode(e)
}
