package logs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Filter says which lines are asked for. A line that is not JSON has no fields, and none passes
// it. The same filter is put to the lines of files here and, as its String, to CloudWatch Logs
// Insights.
type Filter interface {
	// String is the filter as an expression of Logs Insights.
	String() string
	// Fields are the fields that it looks at.
	Fields() []string
	matches(l record) bool
	// mayMatch is false for a line that matches cannot be true of: a cheap look at its bytes.
	mayMatch(line []byte) bool
}

// record is a line as a filter sees it, its values as JSON.
type record map[string]json.RawMessage

// text is the content of a string, "" when the field is missing or something else.
func (r record) text(field string) string {
	var s string
	if json.Unmarshal(r[field], &s) != nil {
		return ""
	}
	return s
}

// oneOf passes lines whose field is one of some texts.
type oneOf struct {
	field  string
	values []string
}

func is(field string, values ...string) Filter { return oneOf{field, values} }

func (f oneOf) String() string {
	if len(f.values) == 1 {
		return f.field + " = " + literal(f.values[0])
	}
	all := make([]string, len(f.values))
	for i, v := range f.values {
		all[i] = literal(v)
	}
	return f.field + " in [" + strings.Join(all, ", ") + "]"
}

func (f oneOf) Fields() []string { return []string{f.field} }
func (f oneOf) matches(l record) bool {
	return l[f.field] != nil && slices.Contains(f.values, l.text(f.field))
}

func (f oneOf) mayMatch(line []byte) bool {
	for _, v := range f.values {
		if containsAny(line, spellings(v)) {
			return true
		}
	}
	return false
}

// beginsWith passes lines whose field begins with a text, of letters and colons.
type beginsWith struct{ field, prefix string }

func (f beginsWith) String() string            { return f.field + " like /^" + f.prefix + "/" }
func (f beginsWith) Fields() []string          { return []string{f.field} }
func (f beginsWith) matches(l record) bool     { return strings.HasPrefix(l.text(f.field), f.prefix) }
func (f beginsWith) mayMatch(line []byte) bool { return bytes.Contains(line, []byte(f.prefix)) }

// atLeast passes lines whose field is a number that is not less.
type atLeast struct {
	field string
	least float64
}

func (f atLeast) String() string {
	return f.field + " >= " + strconv.FormatFloat(f.least, 'f', -1, 64)
}

func (f atLeast) Fields() []string { return []string{f.field} }

func (f atLeast) matches(l record) bool {
	n, err := strconv.ParseFloat(string(l[f.field]), 64)
	return err == nil && n >= f.least
}

func (f atLeast) mayMatch(line []byte) bool { return bytes.Contains(line, []byte(f.field)) }

// isTrue passes lines whose field is true, which is 1 to Logs Insights.
type isTrue struct{ field string }

func (f isTrue) String() string            { return f.field + " = 1" }
func (f isTrue) Fields() []string          { return []string{f.field} }
func (f isTrue) matches(l record) bool     { return string(l[f.field]) == "true" }
func (f isTrue) mayMatch(line []byte) bool { return bytes.Contains(line, []byte(f.field)) }

// All passes what every one of its filters passes.
type All []Filter

// String is Filter.
func (f All) String() string { return joined(f, " and ") }

// Fields is Filter.
func (f All) Fields() []string { return fieldsOf(f) }

func (f All) matches(l record) bool {
	return !slices.ContainsFunc(f, func(part Filter) bool { return !part.matches(l) })
}

func (f All) mayMatch(line []byte) bool {
	return !slices.ContainsFunc(f, func(part Filter) bool { return !part.mayMatch(line) })
}

// Any passes what one of its filters passes.
type Any []Filter

// String is Filter.
func (f Any) String() string { return joined(f, " or ") }

// Fields is Filter.
func (f Any) Fields() []string { return fieldsOf(f) }

func (f Any) matches(l record) bool {
	return slices.ContainsFunc(f, func(part Filter) bool { return part.matches(l) })
}

func (f Any) mayMatch(line []byte) bool {
	return slices.ContainsFunc(f, func(part Filter) bool { return part.mayMatch(line) })
}

// joined are filters as one expression, those of several parts in parentheses.
func joined(filters []Filter, by string) string {
	parts := make([]string, len(filters))
	for i, f := range filters {
		parts[i] = f.String()
		switch f.(type) {
		case All, Any:
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, by)
}

func fieldsOf(filters []Filter) []string {
	var all []string
	for _, f := range filters {
		for _, field := range f.Fields() {
			if !slices.Contains(all, field) {
				all = append(all, field)
			}
		}
	}
	return all
}

// literal is a text as Logs Insights has it.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
