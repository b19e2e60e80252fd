package logs

import (
	"bytes"
	"encoding/json"
)

// fields are what a query compares.
type fields struct {
	Level, CorrelationID, Timestamp []byte
}

var (
	levelKey       = []byte(`"level":"`)
	correlationKey = []byte(`"correlationId":"`)
	timestampKey   = []byte(`"timestamp":"`)
)

// readFields reads the fields of a JSON line, and returns false if it is not a JSON object. A line with a
// single brace is a flat object, in which a key can be found without parsing: within a string its quotes
// would be escaped.
func readFields(line []byte) (fields, bool) {
	if bytes.Count(line, []byte{'{'}) == 1 && bytes.IndexByte(line, '\\') < 0 && line[len(line)-1] == '}' {
		return fields{flatField(line, levelKey), flatField(line, correlationKey), flatField(line, timestampKey)}, true
	}
	var parsed struct {
		Level         string `json:"level"`
		CorrelationID string `json:"correlationId"`
		Timestamp     string `json:"timestamp"`
	}
	if err := json.Unmarshal(line, &parsed); err != nil {
		if _, wrongType := err.(*json.UnmarshalTypeError); !wrongType {
			return fields{}, false
		}
	}
	return fields{[]byte(parsed.Level), []byte(parsed.CorrelationID), []byte(parsed.Timestamp)}, true
}

func flatField(line, key []byte) []byte {
	i := bytes.LastIndex(line, key)
	if i < 1 || line[i-1] != '{' && line[i-1] != ',' {
		return spacedField(line, key)
	}
	value := line[i+len(key):]
	end := bytes.IndexByte(value, '"')
	if end < 0 {
		return nil
	}
	return value[:end]
}

// spacedField finds a field in a line of another program, with white space around its keys.
func spacedField(line, key []byte) []byte {
	name := key[1 : len(key)-3]
	if !bytes.Contains(line, name) {
		return nil
	}
	var all map[string]any
	if err := json.Unmarshal(line, &all); err != nil {
		return nil
	}
	s, _ := all[string(name)].(string)
	return []byte(s)
}
