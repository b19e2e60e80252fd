package stack

import (
	"bytes"
	"context"
	"time"

	"gakushoku/internal/operate/logs"
)

// sweep is the host's part of looking for plain text: the log lines in CloudWatch. Rows and traces of a stack
// hold opaque subjects only, and are not looked at.
func (s *Stack) sweep(ctx context.Context, texts []string, found func(place, text string)) error {
	for _, text := range texts {
		err := logLines{s.Logs, time.Time{}}.ask(ctx, logs.Query{Text: text}, time.Time{}, func(line []byte) error {
			if bytes.Contains(line, []byte(text)) { // emulators also return others
				found("log lines", text)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
