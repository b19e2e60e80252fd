package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// level is an object or an array that a place in a body is inside of, and which of its members.
type level struct {
	array bool
	key   string
	named bool // the key of the next value has been read
	index int
}

func (l *level) step() string {
	if l.array {
		return strconv.Itoa(l.index)
	}
	return l.key
}

// pointerTo is the JSON pointer of the value of a checked body that ends at a byte, counted as
// encoding/json counts it.
func pointerTo(body []byte, end int64) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var levels []*level
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if len(levels) > 0 && takeKey(levels[len(levels)-1], token) {
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			levels = append(levels, &level{array: token == json.Delim('[')})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if decoder.InputOffset() >= end {
			return pointer(steps(levels))
		}
		if len(levels) > 0 {
			last := levels[len(levels)-1]
			last.index, last.named = last.index+1, false
		}
	}
}

// takeKey takes a token that is the key of an object's next member.
func takeKey(l *level, token json.Token) bool {
	key, text := token.(string)
	if l.array || l.named || !text {
		return false
	}
	l.key, l.named = key, true
	return true
}

func steps(levels []*level) []string {
	path := make([]string, len(levels))
	for i, l := range levels {
		path[i] = l.step()
	}
	return path
}
