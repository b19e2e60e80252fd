package eventstore

import (
	"hash/fnv"
	"iter"
)

// Pages returns the pages of a read that continues by cursor, from "" until there is no next one. The first
// error ends it, as the last pair.
func Pages[P any](read func(cursor string) (page P, next string, err error)) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for cursor := ""; ; {
			page, next, err := read(cursor)
			if !yield(page, err) || err != nil || next == "" {
				return
			}
			cursor = next
		}
	}
}

// ShardOf returns which of n shards a name belongs to, from 0. Stores keep its results, so it must never
// change.
func ShardOf(name string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(name)) //nolint:errcheck // it cannot fail
	return int(h.Sum32() % uint32(n))
}
