package promtext

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// Sample is one line of the text: a series and its value.
type Sample struct {
	ID     string // name and labels as they stand in the text, which tells series apart
	Name   string
	Labels map[string]string
	Value  float64
}

// Parse reads what Write writes. Times, which other programs may put after values, are not read.
func Parse(text string) ([]Sample, error) {
	var samples []Sample
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%q is no sample of a metric: %w", line, err)
		}
		samples = append(samples, s)
	}
	return samples, lines.Err()
}

func parseLine(line string) (Sample, error) {
	end := strings.IndexAny(line, "{ ")
	if end <= 0 {
		return Sample{}, fmt.Errorf("it has no name or no value")
	}
	s := Sample{Name: line[:end], Labels: map[string]string{}}
	rest := line[end:]
	if rest[0] == '{' {
		var err error
		if rest, err = parseLabels(rest[1:], s.Labels); err != nil {
			return Sample{}, err
		}
	}
	s.ID = line[:len(line)-len(rest)]
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	s.Value = value
	return s, err
}

// parseLabels reads labels up to the closing brace, and returns what comes after it.
func parseLabels(text string, into map[string]string) (rest string, err error) {
	for {
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			return rest, nil
		}
		name, after, ok := strings.Cut(text, `="`)
		if !ok {
			return "", fmt.Errorf("its labels have no end")
		}
		value, after, err := parseValue(after)
		if err != nil {
			return "", err
		}
		into[name] = value
		text = strings.TrimPrefix(after, ",")
	}
}

// parseValue reads a label's value up to its quote, and returns what comes after it.
func parseValue(text string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("the value of a label has no end")
}
