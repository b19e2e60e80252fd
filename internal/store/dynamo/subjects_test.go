package dynamo

import (
	"testing"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/subject/subjecttest"
)

func TestSubjectKeysContract(t *testing.T) {
	t.Parallel()
	subjecttest.TestKeys(t, func(t *testing.T) (subject.Keys, func() subject.Keys) {
		table := newControlTable(t) // of the same shape
		return NewSubjectKeys(realClient(t), table), func() subject.Keys { return NewSubjectKeys(realClient(t), table) }
	})
}
