package main

import (
	"strconv"
	"strings"
)

// id converts the name of an alarm or a question into that of its resource.
func id(name string) string {
	id := ""
	for part := range strings.SplitSeq(name, "-") {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// value writes a scalar. ${Name} refers to a parameter.
func value(s string) string {
	name, isReference := strings.CutPrefix(s, "${")
	switch {
	case isReference && strings.HasSuffix(name, "}"):
		return "!Ref " + strings.TrimSuffix(name, "}")
	case strings.Contains(s, "${"):
		return "!Sub " + strconv.Quote(s)
	}
	return s
}

// width is the width of folded text, without its indentation.
const width = 110

// fold wraps text for a folded scalar of a resource's property.
func fold(text string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n        ")
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// indent indents the lines of a literal scalar of a resource's property.
func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n        ") }
