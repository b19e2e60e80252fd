// Package eventstoretest is the contract of the eventstore ports, as tests that hold every adapter to the
// same promises. An adapter's test is one call of TestStore.
package eventstoretest

import (
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/eventstore"
)

// Harness gives the suite access to an adapter.
type Harness struct {
	// Open returns a new empty store, and closes it when the test ends.
	Open func(t *testing.T) Instance
	// MaxEventBytes is the adapter's limit for one event. It must accept a payload that is envelopeRoom
	// smaller, and refuse a larger one with ErrTooLarge.
	MaxEventBytes int
	Features      Features
}

// Features says what an adapter can do beyond the port. The zero value claims no features.
type Features struct {
	// DetectsGaps: an append that expects more events than the stream has is a conflict. A store that would
	// have to read before it writes may omit the check, since expected is a version that the caller has
	// loaded.
	DetectsGaps bool
	// SettlesCancelled: an append that returned an error because its context ended is not in the store. Over
	// a network that is unknown, since the request may still be on its way.
	SettlesCancelled bool
	// Persists: the data outlives the store; Instance.Reopen is set.
	Persists bool
	// Overloads: the store can be made to refuse work; Instance.Overload is set.
	Overloads bool
}

// Instance is one store with its feed and controls for the suite.
type Instance struct {
	Store eventstore.Store
	Feed  eventstore.Feed
	// Reopen closes the store as a process would when it ends, and opens it again on the same data.
	Reopen func(t *testing.T) Instance
	// Overload makes appends fail, as when the store is throttled or busy, until release is called.
	Overload func(t *testing.T) (release func())
}

// envelopeRoom is how many bytes of Harness.MaxEventBytes the envelope and the store's own overhead may take,
// for this suite's events.
const envelopeRoom = 2 << 10

// TestStore tests everything that the ports of eventstore promise.
func TestStore(t *testing.T, h Harness) {
	promises := map[string]func(*testing.T, Harness){
		"an event comes back with every field":                testRoundTrip,
		"payloads come back byte for byte":                    testPayloads,
		"odd names and texts come back as they are":           testOddTexts,
		"append sets stream and version in the events":        testAppendSets,
		"as many events as allowed go in one append":          testMaxAppend,
		"a call that makes no sense is refused":               testInvalidCalls,
		"an append to a version that is taken conflicts":      testConflicts,
		"an append is all or nothing":                         testAtomic,
		"one of many equal appends wins":                      testOneWinner,
		"appenders of one stream share its versions out":      testOneStreamManyAppenders,
		"appenders of many streams do not disturb each other": testManyStreams,
		"an acknowledged append is seen at once":              testReadYourWrites,
		"load starts after a version":                         testLoadAfter,
		"load many finds the streams that exist":              testLoadMany,
		"long streams come whole":                             testLongStream,
		"streams are listed once each":                        testStreams,
		"the parts of a list bring every stream once":         testStreamParts,
		"an empty store answers with nothing":                 testEmpty,
		"large events are kept and larger ones refused":       testLargeEvents,
		"a cancelled call says so and appends nothing":        testCancelled,
		"the feed brings every event":                         testFeedAll,
		"the feed goes on from a cursor":                      testFeedResumes,
		"the feed brings later events":                        testFeedLater,
		"the feed refuses what is no cursor":                  testFeedForeignCursor,
		"the feed brings what many append at once":            testFeedConcurrent,
	}
	if h.Features.Persists {
		promises["reopening keeps everything"] = testReopen
	}
	if h.Features.Overloads {
		promises["an overloaded store is infra and appends nothing"] = testOverload
	}
	contract.Run(t, h, promises)
}
