package main

import (
	"reflect"

	"github.com/alecthomas/kong"
)

// given reports whether a flag was typed, rather than set by its default or the environment.
func given(parsed *kong.Context, flag string) bool {
	for _, element := range parsed.Path {
		if element.Flag != nil && element.Flag.Name == flag && !element.Resolved {
			return true
		}
	}
	return false
}

// checkGiven refuses options that were typed with an empty value: a script with an empty variable would run
// another command than intended, such as an approval for --reject "".
func checkGiven(parsed *kong.Context) error {
	for _, element := range parsed.Path {
		switch {
		case element.Resolved:
		case element.Flag != nil && element.Flag.Target.Kind() == reflect.Int && element.Flag.Target.IsZero():
			return usagef("--%s must be at least 1", element.Flag.Name)
		case element.Flag != nil && isNone(element.Flag.Target):
			return usagef("--%s is empty or 0: give it a value, or leave it out", element.Flag.Name)
		case element.Positional != nil && isNone(element.Positional.Target):
			return usagef("%s is empty: give it a value", element.Positional.Summary())
		}
	}
	return nil
}

// isNone reports whether a value equals that of an omitted option. Options that may be 0 are pointers.
func isNone(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Slice:
		return value.Len() == 0
	case reflect.String, reflect.Float64:
		return value.IsZero()
	}
	return false
}
