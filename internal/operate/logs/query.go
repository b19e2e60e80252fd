package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// Query says which lines to find; the zero Query finds all.
type Query struct {
	CorrelationID string    // lines of this operation
	Level         string    // lines of this level (debug, info, warn, error) and above
	Text          string    // lines that contain this text, as a person or as JSON writes it
	Since         time.Time // lines written at this time or later
	Until         time.Time // lines written before this time
	Filter        Filter    // lines that pass it; nil passes all
}

// matcher is a Query made ready. It remembers whether the last line was of the time that is
// asked for, for lines that say no time: it belongs to one search.
type matcher struct {
	query       Query
	level       zerolog.Level
	levelNames  [][]byte // as they stand in a line
	correlation []byte   // as it stands in a line; nil when it might be spelled in other ways
	texts       [][]byte
	since       string // in the layout of log lines, which sorts by time
	until       string
	inTime      bool
}

const (
	timestampField  = "timestamp"
	levelField      = "level"
	messageField    = "message"
	timestampLayout = "2006-01-02T15:04:05.000Z"
)

func (q Query) compile() (*matcher, error) {
	m := &matcher{query: q, level: zerolog.TraceLevel, inTime: true}
	if q.Level != "" {
		level, err := observe.ParseLevel(q.Level)
		if err != nil {
			return nil, err
		}
		m.level = level
	}
	if m.level > zerolog.TraceLevel {
		for l := m.level; l <= zerolog.PanicLevel; l++ {
			m.levelNames = append(m.levelNames, []byte(`"`+l.String()+`"`))
		}
	}
	if observe.ValidCorrelationID(q.CorrelationID) {
		m.correlation = []byte(`"` + q.CorrelationID + `"`)
	}
	if q.Text != "" {
		m.texts = spellings(q.Text)
	}
	if !q.Since.IsZero() {
		m.since, m.inTime = q.Since.UTC().Format(timestampLayout), false
	}
	if !q.Until.IsZero() {
		m.until = q.Until.UTC().Format(timestampLayout)
	}
	return m, nil
}

// spellings are a text as it stands in a plain line and in a JSON string.
func spellings(text string) [][]byte {
	all := [][]byte{[]byte(text)}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err == nil {
		quoted := bytes.TrimSpace(b.Bytes())
		if inner := quoted[1 : len(quoted)-1]; !bytes.Equal(inner, all[0]) {
			all = append(all, inner)
		}
	}
	return all
}

// match reports whether the line is asked for. The cheap searches for bytes come first: they
// reject nearly every line of a long log, and only what they let through is parsed.
func (m *matcher) match(line []byte) bool {
	if m.until != "" {
		m.look(line)
	}
	if m.texts != nil && !containsAny(line, m.texts) {
		return false
	}
	if len(line) == 0 || line[0] != '{' {
		return m.matchPlain(line)
	}
	if m.correlation != nil && !bytes.Contains(line, m.correlation) {
		return false
	}
	if m.levelNames != nil && !containsAny(line, m.levelNames) {
		return false
	}
	if m.query.Filter != nil && !m.query.Filter.mayMatch(line) {
		return false
	}
	wanted, isJSON := m.matchFields(line)
	if !isJSON {
		return m.matchPlain(line)
	}
	return wanted
}

// matchPlain judges a line that is not JSON, such as one of a stack trace. It has no level,
// so every level shows it, and it is as old as the line before it.
func (m *matcher) matchPlain(line []byte) bool {
	return m.inTime && m.query.Filter == nil && (m.query.CorrelationID == "" || bytes.Contains(line, []byte(m.query.CorrelationID)))
}

func (m *matcher) matchFields(line []byte) (wanted, isJSON bool) {
	if m.query.Filter != nil {
		var r record
		if json.Unmarshal(line, &r) != nil {
			return false, false
		}
		if !m.query.Filter.matches(r) {
			return false, true
		}
	}
	if m.since == "" && m.query.CorrelationID == "" && m.levelNames == nil {
		return m.inTime, true
	}
	f, ok := readFields(line)
	if !ok {
		return false, false
	}
	if m.since != "" {
		m.inTime = m.during(f.Timestamp)
	}
	if !m.inTime || m.query.CorrelationID != "" && string(f.CorrelationID) != m.query.CorrelationID {
		return false, true
	}
	if m.levelNames == nil {
		return true, true
	}
	level, err := zerolog.ParseLevel(string(f.Level))
	return err == nil && level >= m.level, true
}

// look notes the time of a line, whether it is asked for or not: a line without a time that
// comes after it is as old.
func (m *matcher) look(line []byte) {
	if len(line) == 0 || line[0] != '{' {
		return
	}
	if f, ok := readFields(line); ok {
		m.inTime = m.during(f.Timestamp)
	}
}

// during reports whether a time is one that is asked for.
func (m *matcher) during(timestamp []byte) bool {
	return string(timestamp) >= m.since && (m.until == "" || string(timestamp) < m.until)
}

func containsAny(line []byte, parts [][]byte) bool {
	for _, part := range parts {
		if bytes.Contains(line, part) {
			return true
		}
	}
	return false
}

// Validate tells what is wrong with a query, for whoever asks before there is a log.
func (q Query) Validate() error {
	if _, err := q.compile(); err != nil {
		return fmt.Errorf("invalid query: %w", err)
	}
	return nil
}

// Of keeps the lines that are asked for, whatever a service took for them.
func (q Query) Of(lines []string) ([]string, error) {
	m, err := q.compile()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, line := range lines {
		if m.match([]byte(line)) {
			found = append(found, line)
		}
	}
	return found, nil
}
