package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// Query selects lines. The zero Query selects all.
type Query struct {
	CorrelationID string    // of this operation
	Level         string    // of this level (debug, info, warn, error) or above
	Text          string    // that contain this text, plain or encoded as JSON
	Since         time.Time // written at this time or later
	Until         time.Time // written before this time
	Filter        Filter    // that match; nil matches all
}

// matcher is a compiled Query for one search. It remembers whether the last line was in the time range,
// which then applies to lines without a time.
type matcher struct {
	query       Query
	level       zerolog.Level
	levelNames  [][]byte // as encoded in a line
	correlation []byte   // as encoded in a line; nil if other encodings are possible
	texts       [][]byte
	since       string // in the format of log lines, which sorts by time
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

// spellings returns a text as it appears in a plain line and in a JSON string.
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

// match reports whether the line matches. Cheap searches for bytes come first: they reject nearly every
// line of a long log, and only the others are parsed.
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

// matchPlain matches a line that is not JSON, such as one of a stack trace. It matches every level, and is as
// old as the line before it.
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

// look remembers the time of a line, for lines without a time that follow.
func (m *matcher) look(line []byte) {
	if len(line) == 0 || line[0] != '{' {
		return
	}
	if f, ok := readFields(line); ok {
		m.inTime = m.during(f.Timestamp)
	}
}

// during reports whether a time is in the range.
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

// Validate checks a query before there is a log.
func (q Query) Validate() error {
	if _, err := q.compile(); err != nil {
		return fmt.Errorf("invalid query: %w", err)
	}
	return nil
}

// Of returns the lines that match.
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
