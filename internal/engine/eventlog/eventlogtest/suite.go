// Package eventlogtest is the contract of the ports of package eventlog, as tests that hold every adapter to
// the same promises. An adapter's tests are one call of TestBlobs or TestLedger.
package eventlogtest

import (
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/eventlog"
)

// Blobs gives the suite access to an adapter of eventlog.Blobs.
type Blobs struct {
	// Open returns a new empty store, and closes it when the test ends.
	Open func(t *testing.T) BlobsInstance
}

// BlobsInstance is one store.
type BlobsInstance struct {
	Store eventlog.Blobs
	// Reopen closes the store as a process would when it ends, and opens it again on the same data; nil if
	// the store keeps no data.
	Reopen func(t *testing.T) eventlog.Blobs
}

// Ledger gives the suite access to an adapter of eventlog.Ledger.
type Ledger struct {
	// Open returns a new empty ledger, and closes it when the test ends.
	Open func(t *testing.T) LedgerInstance
}

// LedgerInstance is one ledger.
type LedgerInstance struct {
	Store eventlog.Ledger
	// Reopen closes the ledger as a process would when it ends, and opens it again on the same data; nil if
	// the ledger keeps no data.
	Reopen func(t *testing.T) eventlog.Ledger
}

// TestBlobs tests everything that eventlog.Blobs promises.
func TestBlobs(t *testing.T, h Blobs) {
	contract.Run(t, h, map[string]func(*testing.T, Blobs){
		"an object comes back byte for byte":             testBlobRoundTrip,
		"an object that is not there is ErrNoBlob":       testNoBlob,
		"a manifest larger than any is ErrTooLarge":      testTooLarge,
		"a put replaces what is there":                   testBlobReplaced,
		"a create puts an object only where none is":     testCreate,
		"one of many creates with different bytes wins":  testOneCreator,
		"a delete may be repeated":                       testBlobDeleted,
		"a range is what was asked for or an error":      testBlobRange,
		"keys that are none are refused":                 testBlobKeys,
		"every key that is one is taken":                 testBlobOddKeys,
		"a list is in the order of the bytes of keys":    testBlobListOrder,
		"a list is paged, from anywhere":                 testBlobListPaged,
		"a list says how large an object is, and when":   testBlobListFields,
		"a list sees every put and delete before it":     testBlobListCurrent,
		"nothing shares memory with the caller":          testBlobCopies,
		"large objects are kept":                         testBlobLarge,
		"no reader sees half of an object":               testBlobNeverHalf,
		"many may put and delete one key":                testBlobOneKey,
		"a cancelled call says so and changes nothing":   testBlobCancelled,
		"what was put is there when it is reopened":      testBlobReopen,
		"what was deleted is away when it is reopened":   testBlobReopenDeleted,
		"a prefix that ends within a name is taken":      testBlobPrefix,
		"a list of objects that go away meanwhile works": testBlobListBeside,
	})
}

// TestLedger tests everything that eventlog.Ledger promises.
func TestLedger(t *testing.T, h Ledger) {
	contract.Run(t, h, map[string]func(*testing.T, Ledger){
		"an empty log has the head 0":                        testLedgerEmpty,
		"a commit moves the head and is found":               testCommit,
		"a commit behind or beyond the head is ErrHeadMoved": testHeadMoved,
		"a commit repeated is ErrClaimed":                    testCommitRepeated,
		"a claimed batch is refused whatever the head is":    testClaimedFirst,
		"a refused commit leaves nothing behind":             testRefusedLeavesNothing,
		"a commit that makes no sense is refused":            testCommitInvalid,
		"odd sources are kept apart":                         testOddSources,
		"one of many commits moves the head":                 testOneWinner,
		"one of many commits of a batch wins":                testOneClaimer,
		"many archivers make a dense log":                    testContention,
		"claims are kept as long as is promised":             testClaimsKept,
		"manifests come back with every field":               testManifestRoundTrip,
		"manifests are paged, from anywhere":                 testManifestsPaged,
		"nothing shares memory with the caller":              testLedgerCopies,
		"a log is restored, and goes on":                     testRestore,
		"a restore may be repeated and continued":            testRestoreRepeated,
		"a restore of many manifests works":                  testRestoreMany,
		"a restore that does not fit changes nothing":        testRestoreNoFit,
		"many may restore the same":                          testRestoreConcurrent,
		"a restore beside commits leaves a dense log":        testRestoreBesideCommits,
		"the head carries the hash of the chain":             testChain,
		"a commit that follows on another log is refused":    testOtherChain,
		"a log from before the chain goes on with it":        testChainBegins,
		"a restore keeps the chain, and needs it":            testRestoreChain,
		"a cancelled call says so and changes nothing":       testLedgerCancelled,
		"what was committed is there when it is reopened":    testLedgerReopen,
	})
}
