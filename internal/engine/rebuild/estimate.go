package rebuild

import (
	"math"

	"gakushoku/internal/engine/eventlog"
)

// Estimate is what a rebuild on AWS would take; a dry run reports it. The model and the sources of its
// figures are in infra/decisions/0007-what-a-rebuild-costs.md.
type Estimate struct {
	WriteUnits  int64   `json:"writeUnits"`
	ReadUnits   int64   `json:"readUnits"`
	S3Requests  int64   `json:"s3Requests"`
	GBSeconds   int64   `json:"lambdaGBSeconds"`
	Transitions int64   `json:"stateTransitions"`
	USD         float64 `json:"usd"`
	Seconds     int64   `json:"seconds"` // of replay and verification
	Binds       string  `json:"binds"`   // the limit that determines the replay's duration
}

// Prices in US dollars, us-east-1, on demand, 2026; see the decision record.
const (
	priceWriteUnit  = 0.625e-6
	priceReadUnit   = 0.125e-6
	priceGet        = 0.4e-6
	priceGBSecond   = 13.3334e-6 // arm64
	priceTransition = 25e-6
)

// The throughput of one worker and of a table. The rates of folding and writing are below what was measured,
// since a Lambda's processor is slower than the one used for measuring.
const (
	lambdaMemoryGB    = 2.0
	foldRate          = 400_000.0 // events per second and worker, including events of other parts
	workerRows        = 2_000.0   // rows per second and worker: 32 concurrent conditional puts of 15 ms each
	newTableWrites    = 4_000.0   // write units per second of a new on-demand table
	doublingSeconds   = 1_800.0   // time after which a busy table's capacity doubles
	tableWrites       = 40_000.0  // write units per second that a table takes at most, by its default quota
	verifyRows        = 3_000.0   // streams per second and verifying task
	eventBytes        = 500.0     // size of an event's item
	maxLambdas        = 1_000.0   // concurrent executions, by the default quota
	getSeconds        = 0.02      // duration of one range read from S3
	transitionsPart   = 4.0       // transitions of one replay part, in its child execution
	transitionsRun    = 60.0      // transitions of the run itself
	itemOverheadBytes = 150.0     // size of a row besides its JSON: keys, place, counters
)

// estimate applies the model to the counts of a dry run.
func estimate(p *Planned, r *Replayed, parts int) *Estimate {
	rows, events := float64(r.Rows), float64(p.Events)
	perRow := 1.0
	if rows > 0 {
		perRow = math.Ceil((float64(r.RowBytes)/rows + itemOverheadBytes) / 1024)
	}
	e := Estimate{
		WriteUnits:  int64(rows * (perRow + 1)), // plus one for the list index
		ReadUnits:   int64(rows*(perRow+1)/4 + rows + 2*events*eventBytes/4096),
		S3Requests:  p.Segments * int64(max(parts, 1)),
		Transitions: int64(float64(parts)*transitionsPart + transitionsRun),
	}
	workers := math.Min(math.Min(float64(p.MaxConcurrency), float64(max(parts, 1))), maxLambdas)
	read := float64(e.S3Requests) / workers * getSeconds / readAheadFrames
	fold := events * readings(parts) / workers / foldRate
	write := rows / (workers * workerRows)
	table := tableSeconds(float64(e.WriteUnits))
	replay := 0.0
	for _, limit := range []struct {
		name string
		took float64
	}{{"folding", fold}, {"reading segments from S3", read}, {"the workers' writes", write}, {"the table's write rate", table}} {
		if limit.took > replay {
			replay, e.Binds = limit.took, limit.name
		}
	}
	verify := rows / verifyRows / 10
	e.Seconds = int64(math.Ceil(replay + verify))
	e.GBSeconds = int64(math.Ceil((replay*workers + verify*10) * lambdaMemoryGB))
	e.USD = float64(e.WriteUnits)*priceWriteUnit + float64(e.ReadUnits)*priceReadUnit + float64(e.S3Requests)*priceGet +
		float64(e.GBSeconds)*priceGBSecond + float64(e.Transitions)*priceTransition
	e.USD = math.Round(e.USD*10_000) / 10_000
	return &e
}

// tableSeconds returns how long a new table takes to absorb that many write units.
func tableSeconds(units float64) float64 {
	seconds := 0.0
	for rate := newTableWrites; ; rate = math.Min(2*rate, tableWrites) {
		if took := units / rate; took <= doublingSeconds || rate == tableWrites {
			return seconds + took
		}
		units -= rate * doublingSeconds
		seconds += doublingSeconds
	}
}

// readings returns how often the whole log is read: each part of a divided partition reads all of that
// partition.
func readings(parts int) float64 {
	return math.Max(1, math.Ceil(float64(parts)/eventlog.Partitions))
}
