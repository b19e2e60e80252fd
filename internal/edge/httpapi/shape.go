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

// shape checks a JSON value, decoded with numbers as json.Number, and stores what it stands for. at is the
// value's JSON pointer. If there are violations, what is stored means nothing.
type shape[T any] func(at string, value any, into *T) []violation

// build implements builder.
func (s shape[T]) build(value any) (any, []violation) {
	var into T
	found := s("", value, &into)
	return into, found
}

// member is a member of an object.
type member[T any] struct {
	name     string
	required bool
	store    func(at string, value any, into *T) []violation
}

// required returns a member that an object must have, stored in a field.
func required[T, F any](name string, s shape[F], field func(*T) *F) member[T] {
	return member[T]{name, true, func(at string, value any, into *T) []violation { return s(at, value, field(into)) }}
}

// optional returns a member that an object may have.
func optional[T, F any](name string, s shape[F], field func(*T) *F) member[T] {
	m := required(name, s, field)
	m.required = false
	return m
}

// object accepts objects with these members and no others.
func object[T any](members ...member[T]) shape[T] {
	return func(at string, value any, into *T) []violation {
		given, ok := value.(map[string]any)
		if !ok {
			return misplaced(at, "must be an object")
		}
		var found []violation
		known := 0
		for _, m := range members {
			switch v, there := given[m.name]; {
			case there:
				known++
				found = append(found, m.store(at+"/"+m.name, v, into)...)
			case m.required:
				found = append(found, misplaced(at+"/"+m.name, "required")...)
			}
		}
		if known == len(given) {
			return found
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if !slices.ContainsFunc(members, func(m member[T]) bool { return m.name == name }) {
				found = append(found, misplaced(at, fmt.Sprintf("unknown member %q", clip(name)))...)
			}
		}
		return found
	}
}

// list accepts arrays of items of one shape.
func list[T any](item shape[T]) shape[[]T] {
	return func(at string, value any, into *[]T) []violation {
		items, ok := value.([]any)
		if !ok {
			return misplaced(at, "must be an array")
		}
		var found []violation
		*into = make([]T, len(items))
		for i, v := range items {
			found = append(found, item(at+"/"+strconv.Itoa(i), v, &(*into)[i])...)
		}
		return found
	}
}

// text accepts strings in which a check finds nothing wrong.
func text(wrong func(string) string) shape[string] { return textAs[string](wrong) }

// enum accepts some strings.
func enum[S ~string](allowed ...S) shape[S] { return textAs[S](oneOf(allowed...)) }

func textAs[S ~string](wrong func(string) string) shape[S] {
	return func(at string, value any, into *S) []violation {
		s, ok := value.(string)
		if !ok {
			return misplaced(at, "must be a string")
		}
		*into = S(s)
		return misplaced(at, wrong(s))
	}
}

// integer accepts 64-bit integers written in digits.
var integer shape[int64] = func(at string, value any, into *int64) []violation {
	n, ok := value.(json.Number)
	if !ok || strings.ContainsAny(n.String(), ".eE") {
		return misplaced(at, "must be a whole number, written in digits")
	}
	var err error
	if *into, err = n.Int64(); err != nil {
		return misplaced(at, "number too large")
	}
	return nil
}

// boolean accepts true and false.
var boolean shape[bool] = func(at string, value any, into *bool) []violation {
	b, ok := value.(bool)
	if !ok {
		return misplaced(at, "must be true or false")
	}
	*into = b
	return nil
}

// pointer is for a field that is nil if the member is missing.
func pointer[T any](s shape[T]) shape[*T] {
	return func(at string, value any, into **T) []violation {
		*into = new(T)
		return s(at, value, *into)
	}
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

// dayLike checks only the format of a day: the query knows the calendar.
func dayLike(value string) string {
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
