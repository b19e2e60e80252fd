package logs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Filter selects lines by their fields. Lines that are not JSON do not match. The same filter applies to
// lines of files and, as its String, in CloudWatch Logs Insights.
type Filter interface {
	// String returns the filter as an expression of Logs Insights.
	String() string
	// Fields returns the fields that it compares.
	Fields() []string
	matches(l record) bool
	// mayMatch reports whether a line might match. It is a cheap check of its bytes.
	mayMatch(line []byte) bool
}

// record is a line with its values as JSON.
type record map[string]json.RawMessage

// text returns the content of a string field, "" if it is missing or of another type.
func (r record) text(field string) string {
	var s string
	if json.Unmarshal(r[field], &s) != nil {
		return ""
	}
	return s
}

// oneOf matches lines whose field has one of the values.
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

// beginsWith matches lines whose field has a prefix of letters and colons.
type beginsWith struct{ field, prefix string }

func (f beginsWith) String() string            { return f.field + " like /^" + f.prefix + "/" }
func (f beginsWith) Fields() []string          { return []string{f.field} }
func (f beginsWith) matches(l record) bool     { return strings.HasPrefix(l.text(f.field), f.prefix) }
func (f beginsWith) mayMatch(line []byte) bool { return bytes.Contains(line, []byte(f.prefix)) }

// atLeast matches lines whose field is a number of at least least.
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

// isTrue matches lines whose field is true, which is 1 in Logs Insights.
type isTrue struct{ field string }

func (f isTrue) String() string            { return f.field + " = 1" }
func (f isTrue) Fields() []string          { return []string{f.field} }
func (f isTrue) matches(l record) bool     { return string(l[f.field]) == "true" }
func (f isTrue) mayMatch(line []byte) bool { return bytes.Contains(line, []byte(f.field)) }

// All matches what all of its filters match.
type All []Filter

// String implements Filter.
func (f All) String() string { return joined(f, " and ") }

// Fields implements Filter.
func (f All) Fields() []string { return fieldsOf(f) }

func (f All) matches(l record) bool {
	return !slices.ContainsFunc(f, func(part Filter) bool { return !part.matches(l) })
}

func (f All) mayMatch(line []byte) bool {
	return !slices.ContainsFunc(f, func(part Filter) bool { return !part.mayMatch(line) })
}

// Any matches what one of its filters matches.
type Any []Filter

// String implements Filter.
func (f Any) String() string { return joined(f, " or ") }

// Fields implements Filter.
func (f Any) Fields() []string { return fieldsOf(f) }

func (f Any) matches(l record) bool {
	return slices.ContainsFunc(f, func(part Filter) bool { return part.matches(l) })
}

func (f Any) mayMatch(line []byte) bool {
	return slices.ContainsFunc(f, func(part Filter) bool { return part.mayMatch(line) })
}

// joined joins filters to one expression, those of several parts in parentheses.
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

// literal quotes a text for Logs Insights.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
