package rebuild

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gakushoku/internal/event"
)

// readStrictly reads one JSON object into a struct and returns the names of the fields it contains.
// encoding/json accepts field names in another case, repeated fields, and null as absent; each of these could
// result in another run than was meant.
func readStrictly(raw []byte, into any) (given map[string]bool, err error) {
	if err := event.CheckJSON(raw); err != nil {
		return nil, err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil || values == nil {
		return nil, errors.New("it must be a JSON object")
	}
	fields := fieldsOf(reflect.ValueOf(into).Elem())
	given = map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		field, known := fields[name]
		if !known {
			return nil, unknownField(name, fields)
		}
		if err := readField(values[name], name, field); err != nil {
			return nil, err
		}
		given[name] = true
	}
	return given, nil
}

// fieldsOf returns a struct's fields by their JSON names.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	return fields
}

func unknownField(name string, fields map[string]reflect.Value) error {
	for known := range fields {
		if strings.EqualFold(name, known) {
			return fmt.Errorf("unknown field %q: write %q", name, known)
		}
	}
	return fmt.Errorf("unknown field %q", name)
}

func readField(value []byte, name string, field reflect.Value) error {
	if string(value) == "null" {
		return fmt.Errorf("field %q is null: leave it out", name)
	}
	err := json.Unmarshal(value, field.Addr().Interface())
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mistyped):
		return fmt.Errorf("field %q has the wrong type: %s", name, mistyped.Value)
	case err != nil:
		return fmt.Errorf("field %q: %w", name, err)
	}
	return nil
}
