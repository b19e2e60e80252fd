package eventlogtest

import (
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// began is about now, since stores that drop old claims by their own clock must not drop these.
var began = event.InstantOf(time.Now())

// segment returns the manifest of that many events from first on, in two frames if there are at least two
// events. The object's name tells segments apart.
func segment(first uint64, count int, name string) eventlog.Manifest {
	created := began + event.Instant(first)
	m := eventlog.Manifest{
		First: first, Last: first + uint64(count) - 1, Key: "segments/2026-01-24/" + name + ".jsonl.zst",
		Bytes: int64(count) * 10, RawBytes: int64(count) * 200, SHA256: fmt.Sprintf("%064x", first), Partitions: eventlog.Partitions,
		OldestAt: created - 5000, NewestAt: created - 10, CreatedAt: created,
	}
	if count == 1 {
		m.Frames = []eventlog.Frame{{Partition: 7, Length: 10, First: first, Count: 1}}
		return m
	}
	m.Frames = []eventlog.Frame{
		{Partition: 0, Length: 10, First: first, Count: 1},
		{Partition: 15, Offset: 10, Length: m.Bytes - 10, First: first + 1, Count: count - 1},
	}
	return m
}

// batch returns a commit of that many events from first on; one record is one event.
func batch(first uint64, count int, source string) eventlog.Commit {
	name := strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return '-'
		}
		return r
	}, source[:min(len(source), 20)])
	return eventlog.Commit{Manifest: segment(first, count, fmt.Sprintf("%s-%d", name, first)), Source: source, Records: count}
}

// chain returns that many manifests of 1 to 4 events each, from number 1 on.
func chain(segments int) []eventlog.Manifest {
	all := make([]eventlog.Manifest, 0, segments)
	next := uint64(1)
	for n := range segments {
		m := segment(next, 1+n%4, fmt.Sprintf("s%d", n))
		all = append(all, m)
		next = m.Last + 1
	}
	return all
}
