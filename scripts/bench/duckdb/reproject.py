"""A baseline of `go run ./scripts/bench reproject`: the orders table (orderId, total, status)
of an event log, computed by DuckDB on all cores.

    python reproject.py FILE

The outcome goes to standard output as one JSON object."""

import json
import sys

import duckdb

ORDERS = """
CREATE TABLE orders AS
SELECT payload.orderId AS orderId,
       max(payload.total) FILTER (type = 'OrderPlaced') AS total,
       CASE arg_max(type, occurredAt) FILTER (type <> 'OrderRefunded')
           WHEN 'OrderPlaced' THEN 'ORDERED'
           WHEN 'OrderPaid' THEN 'PAID'
           WHEN 'OrderPreparationStarted' THEN 'PREPARING'
           WHEN 'OrderReady' THEN 'READY'
           WHEN 'OrderPickedUp' THEN 'PICKED_UP'
           WHEN 'OrderCancelled' THEN 'CANCELLED'
       END AS status
FROM read_json(?, format = 'newline_delimited', columns = {
    type: 'VARCHAR', occurredAt: 'VARCHAR', payload: 'STRUCT(orderId VARCHAR, total BIGINT)'})
GROUP BY payload.orderId
"""

connection = duckdb.connect()
connection.execute(ORDERS, [sys.argv[1]])
rows, total = connection.execute("SELECT count(*), sum(total) FROM orders").fetchone()
print(json.dumps({"size": rows, "total": int(total or 0)}))
