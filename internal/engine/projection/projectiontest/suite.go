// Package projectiontest is the contract of the stores behind package projection, as tests that hold every
// adapter to the same promises. An adapter's tests are one call each of TestTables, TestSink, TestPointers
// and TestCheckpoints.
package projectiontest

import (
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/projection"
)

// Tables gives the suite access to an adapter of projection.Store.
type Tables struct {
	// Open returns a new store without tables, and closes it when the test ends.
	Open func(t *testing.T) TablesInstance
	// MaxRowBytes is the size of a row's data that the adapter must accept.
	MaxRowBytes int
	// ListsLag says that List, Buckets and ParkedRecords may show a write a little later.
	ListsLag bool
}

// TablesInstance is one store.
type TablesInstance struct {
	Store projection.Store
	// Reopen closes the store as a process would when it ends, and opens it again on the same data; nil if
	// the store keeps no data.
	Reopen func(t *testing.T) projection.Store
}

// Control gives the suite access to an adapter of projection.Pointers and projection.Checkpoints.
type Control struct {
	// Open returns a new empty store, and closes it when the test ends.
	Open func(t *testing.T) ControlInstance
}

// ControlStore stores pointers and checkpoints.
type ControlStore interface {
	projection.Pointers
	projection.Checkpoints
}

// ControlInstance is one store.
type ControlInstance struct {
	Store ControlStore
	// Reopen closes the store as a process would when it ends, and opens it again on the same data; nil if
	// the store keeps no data.
	Reopen func(t *testing.T) ControlStore
}

// TestTables tests everything that projection.Store promises.
func TestTables(t *testing.T, h Tables) {
	contract.Run(t, h, map[string]func(*testing.T, Tables){
		"create and drop may be repeated":                 testCreateDrop,
		"a table that is not there is ErrNoTable":         testNoTable,
		"table versions are independent":                  testIndependent,
		"many create one table at once":                   testCreateAtOnce,
		"a row comes back with every field":               testRoundTrip,
		"data come back byte for byte":                    testData,
		"odd keys come back as they are":                  testOddKeys,
		"large rows are kept":                             testLargeRows,
		"nothing shares memory with the caller":           testCopies,
		"a write that came too late is told":              testLate,
		"late changes keep their totals to themselves":    testLateTotals,
		"a full write goes through":                       testFullWrite,
		"a write that makes no sense is refused":          testInvalidWrites,
		"many rows are read at once":                      testManyRecords,
		"one of many writers of a row wins":               testOneWinner,
		"totals are exact under many writers":             testTotalsConcurrent,
		"totals are exact when many write one row":        testOneRowConcurrent,
		"totals go up and down":                           testTotals,
		"lists are newest first and paged":                testList,
		"invisible rows are not listed":                   testInvisible,
		"a row is listed where it is now":                 testMoved,
		"buckets are newest first and paged":              testBuckets,
		"a scan brings every row once":                    testScan,
		"the parts of a scan bring every row once":        testScanParts,
		"parked rows are listed until they are cleared":   testParked,
		"a cancelled call says so and changes nothing":    testCancelled,
		"what a store keeps is there when it is reopened": testReopen,
	})
}

// TestPointers tests everything that projection.Pointers promises.
func TestPointers(t *testing.T, h Control) {
	contract.Run(t, h, map[string]func(*testing.T, Control){
		"a pointer comes back with every field":         testPointerRoundTrip,
		"a projection without a pointer says so":        testNoPointer,
		"a pointer that was changed is not overwritten": testPointerChanged,
		"one of many setters wins":                      testPointerOneWinner,
		"a cancelled call says so and changes nothing":  testPointerCancelled,
		"a pointer is there when the store is reopened": testPointerReopen,
	})
}

// TestCheckpoints tests everything that projection.Checkpoints promises.
func TestCheckpoints(t *testing.T, h Control) {
	contract.Run(t, h, map[string]func(*testing.T, Control){
		"the last checkpoint wins":                         testCheckpointRoundTrip,
		"a reader without a checkpoint starts at zero":     testNoCheckpoint,
		"many may set one checkpoint":                      testCheckpointConcurrent,
		"a cancelled call says so and changes nothing":     testCheckpointCancelled,
		"a checkpoint is there when the store is reopened": testCheckpointReopen,
	})
}
