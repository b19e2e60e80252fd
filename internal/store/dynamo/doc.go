// Package dynamo keeps events, read models, pointers and checkpoints in DynamoDB: every
// store port of the system for AWS. It is where the service's own rules live (conditions,
// transactions, item sizes, throttling, retried calls that had succeeded), so that nobody
// else has to know them.
//
// What is stored where:
//   - the event table: one item an event, see package eventitem;
//   - one table for each table version of a projection: rows (pk "r#<stream>"), totals
//     (pk "t#<shard>"), bucket markers (pk "b"), and two sparse, keys-only indexes that list
//     rows by bucket and parked rows;
//   - the control table: pointers, checkpoints, and the records of the numbered log, see Ledger.
//
// Everything here is safe for concurrent use.
package dynamo
