package rebuild

import (
	"strings"
	"testing"
)

// The figures of infra/decisions/0007-what-a-rebuild-costs.md.
func TestTheModelGivesTheFiguresOfItsRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		events, rows, segments int64
		parts, concurrency     int
		binds                  string
		usd, seconds           [2]float64 // from, to
	}{
		"a small canteen":           {1_000_000, 200_000, 100, 16, 16, "the table's write rate", [2]float64{0.2, 0.6}, [2]float64{100, 130}},
		"a billion events":          {1_000_000_000, 200_000_000, 100_000, 208, 200, "the table's write rate", [2]float64{250, 450}, [2]float64{18_000, 24_000}},
		"a billion in tiny objects": {1_000_000_000, 200_000_000, 100_000_000, 208, 200, "reading segments from S3", [2]float64{5_000, 20_000}, [2]float64{100_000, 1_000_000}},
		"a billion, few workers":    {1_000_000_000, 200_000_000, 100_000, 208, 4, "the workers' writes", [2]float64{250, 450}, [2]float64{20_000, 40_000}},
	} {
		e := estimate(&Planned{Events: test.events, Segments: test.segments, MaxConcurrency: test.concurrency},
			&Replayed{Rows: test.rows, RowBytes: test.rows * 350}, test.parts)
		if e.Binds != test.binds || e.USD < test.usd[0] || e.USD > test.usd[1] || float64(e.Seconds) < test.seconds[0] || float64(e.Seconds) > test.seconds[1] {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := estimate(&Planned{MaxConcurrency: 1}, &Replayed{}, 0); e.USD > 0.01 || strings.Contains(e.Binds, "table") {
		t.Errorf("an empty log: %+v", e)
	}
}

func TestLargeRowsTakeAWriteUnitForEachKilobyte(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]int64{350: 2_000, 874: 2_000, 875: 3_000, 2_000: 4_000} { // and one each for the index
		if e := estimate(&Planned{Events: 1_000, Segments: 1, MaxConcurrency: 1}, &Replayed{Rows: 1_000, RowBytes: 1_000 * bytes}, 1); e.WriteUnits != want {
			t.Errorf("rows of %d bytes take %d write units, want %d", bytes, e.WriteUnits, want)
		}
	}
}

func TestATableThatIsBusyTakesTwiceAsManyWritesEveryHalfHour(t *testing.T) {
	t.Parallel()
	for units, want := range map[float64]float64{
		0:                            0,
		4_000:                        1,
		4_000 * 1_800:                1_800,
		4_000*1_800 + 8_000:          1_801,
		(4_000+8_000)*1_800 + 16_000: 3_601,
		(4_000+8_000+16_000+32_000)*1_800 + 40_000*3:         7_203, // no faster than the quota from here on
		(4_000 + 8_000 + 16_000 + 32_000 + 40_000*9) * 1_800: 13 * 1_800,
	} {
		if got := tableSeconds(units); got != want {
			t.Errorf("%.0f write units take %.0f s, want %.0f", units, got, want)
		}
	}
}
