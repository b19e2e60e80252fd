// The baseline of `go run ./scripts/bench reproject`: an event log replayed into a read model
// the way a careful Node program does it. readline splits the lines, JSON.parse reads them,
// AsyncLocalStorage carries the correlation id, pino writes a line an event.
//
//   node reproject.mjs FILE [--log-apply | --log-apply-buffered]
//
// --log-apply logs as the course's script does: pino as it comes, which writes each line at
// once. --log-apply-buffered lets pino collect lines, as far as it goes. Log lines go to standard
// output, the outcome as one JSON object to standard error.
import { AsyncLocalStorage } from "node:async_hooks";
import { createReadStream } from "node:fs";
import readline from "node:readline";
import pino from "pino";

const [file, flag] = process.argv.slice(2);
const logApply = flag?.startsWith("--log-apply") ?? false;
const destination = pino.destination({ fd: 1, sync: true, minLength: flag === "--log-apply-buffered" ? 8 * 1024 : 0 });
const base = pino({ level: "info" }, destination);

const contexts = new AsyncLocalStorage();
function log() {
  const context = contexts.getStore();
  return context ? base.child({ correlationId: context.correlationId }) : base;
}

const readModel = new Map();

function applyEvent(e) {
  switch (e.type) {
    case "OrderPlaced":
      readModel.set(e.payload.orderId, { orderId: e.payload.orderId, total: e.payload.total, status: "ORDERED" });
      return;
    case "OrderPaid": {
      const current = readModel.get(e.payload.orderId);
      if (!current) return;
      readModel.set(e.payload.orderId, { ...current, status: "PAID" });
      return;
    }
  }
}

let count = 0;
const lines = readline.createInterface({ input: createReadStream(file), crlfDelay: Infinity });
for await (const line of lines) {
  if (!line.trim()) continue;
  const e = JSON.parse(line);
  contexts.run({ correlationId: e.correlationId ?? "reproject" }, () => {
    if (logApply) log().info({ eventId: e.eventId, type: e.type }, "reproject:apply");
    applyEvent(e);
  });
  count++;
}
destination.flushSync();

let paid = 0;
let total = 0;
for (const row of readModel.values()) {
  total += row.total;
  if (row.status === "PAID") paid++;
}
process.stderr.write(JSON.stringify({ count, size: readModel.size, paid, total }) + "\n");
