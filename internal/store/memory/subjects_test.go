package memory_test

import (
	"testing"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/subject/subjecttest"
	"gakushoku/internal/store/memory"
)

func TestSubjectKeys(t *testing.T) {
	t.Parallel()
	subjecttest.TestKeys(t, func(*testing.T) (subject.Keys, func() subject.Keys) {
		keys := memory.NewSubjectKeys()
		return keys, func() subject.Keys { return keys }
	})
}
