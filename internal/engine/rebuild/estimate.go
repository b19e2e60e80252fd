package rebuild

import (
	"math"

	"gakushoku/internal/engine/eventlog"
)

// Estimate is what a rebuild on AWS would take, for a dry run. It is the model of
// infra/decisions/0007-what-a-rebuild-costs.md, which names the sources of its figures.
type Estimate struct {
	WriteUnits  int64   `json:"writeUnits"`
	ReadUnits   int64   `json:"readUnits"`
	S3Requests  int64   `json:"s3Requests"`
	GBSeconds   int64   `json:"lambdaGBSeconds"`
	Transitions int64   `json:"stateTransitions"`
	USD         float64 `json:"usd"`
	Seconds     int64   `json:"seconds"` // of replay and verification
	Binds       string  `json:"binds"`   // what makes the replay take that long
}

// Prices in US dollars, us-east-1, on demand, 2026; see the decision record.
const (
	priceWriteUnit  = 0.625e-6
	priceReadUnit   = 0.125e-6
	priceGet        = 0.4e-6
	priceGBSecond   = 13.3334e-6 // arm64
	priceTransition = 25e-6
)

// What one worker does, and what a table takes. The rates of folding and writing are below what
// was measured, since a Lambda's processor is slower than the one it was measured on.
const (
	lambdaMemoryGB    = 2.0
	foldRate          = 400_000.0 // events a second and worker, other parts' events included
	workerRows        = 2_000.0   // rows a second and worker: 32 conditional puts at once, 15 ms each
	newTableWrites    = 4_000.0   // write units a second that a new on-demand table takes
	doublingSeconds   = 1_800.0   // after which it takes twice as many, while it is busy
	tableWrites       = 40_000.0  // that a table takes at most, by its default quota
	verifyRows        = 3_000.0   // streams a second and verifying task
	eventBytes        = 500.0     // of an event's item
	maxLambdas        = 1_000.0   // at once, by the default quota
	getSeconds        = 0.02      // of one range read from S3
	transitionsPart   = 4.0       // of a part of the replay, in its child execution
	transitionsRun    = 60.0      // of the run itself
	itemOverheadBytes = 150.0     // of a row besides its JSON: keys, place, counters
)

// estimate applies the model to what a dry run has counted.
func estimate(p *Planned, r *Replayed, parts int) *Estimate {
	rows, events := float64(r.Rows), float64(p.Events)
	perRow := 1.0
	if rows > 0 {
		perRow = math.Ceil((float64(r.RowBytes)/rows + itemOverheadBytes) / 1024)
	}
	e := Estimate{
		WriteUnits:  int64(rows * (perRow + 1)), // and one for the index of lists
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

// tableSeconds is how long a new table takes for so many write units.
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

// readings is how often the whole log is read: each part of one partition reads all of that.
func readings(parts int) float64 {
	return math.Max(1, math.Ceil(float64(parts)/eventlog.Partitions))
}
