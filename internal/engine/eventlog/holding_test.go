package eventlog_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
)

func TestTheLogTellsOfWhichStreamsItHasEvents(t *testing.T) {
	t.Parallel()
	l := written(t, 6)
	first, last := records("s", 0, 1)[0].Event.Stream, records("s", 6, 1)[0].Event.Stream
	for name, test := range map[string]struct {
		streams []string
		want    map[string]bool
	}{
		"none asked for":   {nil, map[string]bool{}},
		"one":              {[]string{first}, map[string]bool{first: true}},
		"some, one twice":  {[]string{first, "order-nobody", last, first}, map[string]bool{first: true, last: true}},
		"one nobody knows": {[]string{"order-nobody"}, map[string]bool{}},
	} {
		got, err := l.reader().Holding(t.Context(), test.streams)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	reads := &countedBlobs{BlobReader: l.blobs}
	if _, err := (&eventlog.Reader{Ledger: l.ledger, Blobs: reads}).Holding(t.Context(), []string{first}); err != nil || reads.count > 2 {
		t.Errorf("%d reads for a stream of the first segment: %v", reads.count, err)
	}
}

// That a stream is not found in a part of the log says nothing.
func TestALogThatIsNotWholeDoesNotSayThatItHasNoStream(t *testing.T) {
	t.Parallel()
	l := written(t, 2)
	stream := records("s", 0, 1)[0].Event.Stream
	manifests, err := l.ledger.Manifests(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	lost := &eventlog.Reader{Ledger: newLog().ledger, Blobs: l.blobs}
	if _, err := lost.Holding(t.Context(), []string{stream}); !errors.Is(err, eventlog.ErrLedgerBehind) {
		t.Errorf("without the ledger: %v", err)
	}
	if err := l.blobs.Delete(t.Context(), manifests[0].Key); err != nil {
		t.Fatal(err)
	}
	if _, err := l.reader().Holding(t.Context(), []string{stream}); !errors.Is(err, eventlog.ErrNoBlob) {
		t.Errorf("without a segment: %v", err)
	}
}
