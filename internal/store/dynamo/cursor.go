package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// encodeCursor returns an opaque cursor with what a walk needs to continue.
func encodeCursor(fields map[string]string) string {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err) // a map of strings can always be encoded
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// decodeCursor reads a cursor that must have these fields; nil for "".
func decodeCursor(cursor string, names ...string) (map[string]string, error) {
	if cursor == "" {
		return nil, nil
	}
	var fields map[string]string
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	for _, name := range names {
		if err == nil && fields[name] == "" {
			err = fmt.Errorf("it lacks %s", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cursor %q is not one of this store: start again without one (%w)", cursor, err)
	}
	return fields, nil
}
