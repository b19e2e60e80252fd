package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shape checks a JSON value, decoded with numbers as json.Number. at is the value's JSON pointer.
type shape func(at string, value any) []violation

// member is a member of an object.
type member struct {
	name     string
	required bool
	shape    shape
}

func required(name string, s shape) member { return member{name, true, s} }
func optional(name string, s shape) member { return member{name, false, s} }

// object accepts objects with these members and no others.
func object(members ...member) shape {
	return func(at string, value any) []violation {
		given, ok := value.(map[string]any)
		if !ok {
			return misplaced(at, "must be an object")
		}
		var found []violation
		for _, m := range members {
			switch v, there := given[m.name]; {
			case there:
				found = append(found, m.shape(at+"/"+m.name, v)...)
			case m.required:
				found = append(found, misplaced(at+"/"+m.name, "required")...)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if !slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
				found = append(found, misplaced(at, fmt.Sprintf("unknown member %q", clip(name)))...)
			}
		}
		return found
	}
}

// list accepts arrays of items of one shape.
func list(item shape) shape {
	return func(at string, value any) []violation {
		items, ok := value.([]any)
		if !ok {
			return misplaced(at, "must be an array")
		}
		var found []violation
		for i, v := range items {
			found = append(found, item(at+"/"+strconv.Itoa(i), v)...)
		}
		return found
	}
}

// text accepts strings in which a check finds nothing wrong.
func text(wrong func(string) string) shape {
	return func(at string, value any) []violation {
		s, ok := value.(string)
		if !ok {
			return misplaced(at, "must be a string")
		}
		return misplaced(at, wrong(s))
	}
}

// integer accepts 64-bit integers written in digits.
func integer(at string, value any) []violation {
	n, ok := value.(json.Number)
	if !ok || strings.ContainsAny(n.String(), ".eE") {
		return misplaced(at, "must be a whole number, written in digits")
	}
	if _, err := n.Int64(); err != nil {
		return misplaced(at, "number too large")
	}
	return nil
}

func misplaced(at, detail string) []violation { return violations(inBody, clip(at), detail) }

// The checks of parameters and strings return what is wrong with a value; "" if nothing is.

func anything(string) string { return "" }

func whole(least, most uint64) func(string) string {
	return func(value string) string {
		n, err := strconv.ParseUint(value, 10, 63)
		switch {
		case value == "":
			return "must not be empty"
		case err != nil:
			return "must be a whole number, written in digits"
		case n < least || n > most:
			return fmt.Sprintf("must be between %d and %d", least, most)
		}
		return ""
	}
}

func length(least, most int) func(string) string {
	return func(value string) string {
		if n := utf8.RuneCountInString(value); n < least || n > most {
			return fmt.Sprintf("must have %d to %d characters", least, most)
		}
		return ""
	}
}

func oneOf[S ~string](allowed ...S) func(string) string {
	return func(value string) string {
		if slices.Contains(allowed, S(value)) {
			return ""
		}
		return fmt.Sprintf("must be one of %v", allowed)
	}
}

// all combines checks: it returns what the first failing check found.
func all(checks ...func(string) string) func(string) string {
	return func(value string) string {
		for _, check := range checks {
			if wrong := check(value); wrong != "" {
				return wrong
			}
		}
		return ""
	}
}

func visibleASCII(value string) string {
	if strings.ContainsFunc(value, func(c rune) bool { return c < '!' || c > '~' }) {
		return "must be visible ASCII characters, without spaces"
	}
	return ""
}

func oneSegment(value string) string {
	if strings.ContainsAny(value, " \t\n\f\r/") {
		return "must not contain spaces or slashes"
	}
	return ""
}

// day checks only the format of a day: the query knows the calendar.
func day(value string) string {
	const like = "dddd-dd-dd"
	ok := len(value) == len(like)
	for i := 0; ok && i < len(like); i++ {
		digit := '0' <= value[i] && value[i] <= '9'
		ok = digit == (like[i] == 'd') && (digit || value[i] == '-')
	}
	if !ok {
		return "must be a day such as 2026-01-24"
	}
	return ""
}
