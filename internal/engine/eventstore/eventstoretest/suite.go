// Package eventstoretest is the contract of the eventstore ports as tests, so that every
// adapter is held to the same promises: an adapter's test is one call of TestStore.
package eventstoretest

import (
	"testing"

	"gakushoku/internal/engine/eventstore"
)

// Harness tells the suite how to get at an adapter.
type Harness struct {
	// Open makes an empty store that no other test uses, and ends it with the test.
	Open func(t *testing.T) Instance
	// MaxEventBytes is the adapter's bound of one event. A payload that is envelopeRoom
	// smaller must be taken; one that is larger must be refused with ErrTooLarge.
	MaxEventBytes int
	Features      Features
}

// Features says what an adapter can do beyond the port. Its zero value claims nothing.
type Features struct {
	// DetectsGaps: an append that expects more events than the stream has is a conflict. A
	// store that would have to read before it writes may leave it out: expected is a version
	// that the caller has loaded.
	DetectsGaps bool
	// SettlesCancelled: an append whose context ended is not in the store when it returns an
	// error. Over a network nobody can know: the request may be on its way.
	SettlesCancelled bool
	// Persists: the data outlive the store; Instance.Reopen is set.
	Persists bool
	// Overloads: the store can be made to refuse work; Instance.Overload is set.
	Overloads bool
}

// Instance is one store with its feed, and what the suite may do to it.
type Instance struct {
	Store eventstore.Store
	Feed  eventstore.Feed
	// Reopen ends the store as a process would, and opens it again on the same data.
	Reopen func(t *testing.T) Instance
	// Overload makes appends fail as they do when the store is throttled or busy, until
	// release is called.
	Overload func(t *testing.T) (release func())
}

// envelopeRoom is how many bytes of Harness.MaxEventBytes the envelope and the store's own
// overhead may take, of an event as this suite makes them.
const envelopeRoom = 2 << 10

type testCase struct {
	name string
	run  func(t *testing.T, h Harness)
}

// TestStore tests everything that the ports of eventstore promise.
func TestStore(t *testing.T, h Harness) {
	cases := []testCase{
		{"an event comes back with every field", testRoundTrip},
		{"payloads come back byte for byte", testPayloads},
		{"odd names and texts come back as they are", testOddTexts},
		{"append sets stream and version in the events", testAppendSets},
		{"as many events as allowed go in one append", testMaxAppend},
		{"a call that makes no sense is refused", testInvalidCalls},
		{"an append to a version that is taken conflicts", testConflicts},
		{"an append is all or nothing", testAtomic},
		{"one of many equal appends wins", testOneWinner},
		{"appenders of one stream share its versions out", testOneStreamManyAppenders},
		{"appenders of many streams do not disturb each other", testManyStreams},
		{"an acknowledged append is seen at once", testReadYourWrites},
		{"load starts after a version", testLoadAfter},
		{"load many finds the streams that exist", testLoadMany},
		{"long streams come whole", testLongStream},
		{"streams are listed once each", testStreams},
		{"the parts of a list bring every stream once", testStreamParts},
		{"an empty store answers with nothing", testEmpty},
		{"large events are kept and larger ones refused", testLargeEvents},
		{"a cancelled call says so and appends nothing", testCancelled},
		{"the feed brings every event", testFeedAll},
		{"the feed goes on from a cursor", testFeedResumes},
		{"the feed brings later events", testFeedLater},
		{"the feed refuses what is no cursor", testFeedForeignCursor},
		{"the feed brings what many append at once", testFeedConcurrent},
	}
	if h.Features.Persists {
		cases = append(cases, testCase{"reopening keeps everything", testReopen})
	}
	if h.Features.Overloads {
		cases = append(cases, testCase{"an overloaded store is infra and appends nothing", testOverload})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, h)
		})
	}
}
