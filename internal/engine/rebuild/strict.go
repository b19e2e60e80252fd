package rebuild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// readStrictly reads one JSON object into a struct and returns the names of the fields it contains.
// encoding/json accepts field names in another case, repeated fields, null as absent, and trailing data; each
// of these could result in another run than was meant.
func readStrictly(raw []byte, into any) (given map[string]bool, err error) {
	fields := fieldsOf(reflect.ValueOf(into).Elem())
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("it must be a JSON object")
	}
	given = map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		switch field, known := fields[name]; {
		case !known:
			return nil, unknownField(name, fields)
		case given[name]:
			return nil, fmt.Errorf("field %q comes twice", name)
		default:
			err = readField(decoder, name, field)
		}
		if err != nil {
			return nil, err
		}
		given[name] = true
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
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

func readField(decoder *json.Decoder, name string, field reflect.Value) error {
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
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
