// Package dynamo stores events, read models, pointers and checkpoints in DynamoDB: it implements every store
// port of the system for AWS. Only this package knows the service's own rules (conditions, transactions, item
// sizes, throttling, repeated calls that had already succeeded).
//
// What is stored where:
//   - the event table: one item per event, see package eventitem;
//   - one table for each table version of a projection: rows (pk "r#<stream>"), totals
//     (pk "t#<shard>"), bucket markers (pk "b"), and two sparse, keys-only indexes that list
//     rows by bucket and parked rows;
//   - the control table: pointers, checkpoints, and the records of the numbered log, see Ledger.
//
// Everything here is safe for concurrent use.
package dynamo
