package dynamo

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// testCommit is a segment of two events from first on.
func testCommit(first uint64, source string) eventlog.Commit {
	now := event.InstantOf(time.Now())
	return eventlog.Commit{
		Source: source, Records: 2,
		Manifest: eventlog.Manifest{
			First: first, Last: first + 1, Key: fmt.Sprintf("segments/%s-%d", source, first), Bytes: 20, RawBytes: 400, SHA256: strings.Repeat("0", 64),
			Partitions: eventlog.Partitions, Frames: []eventlog.Frame{{Partition: 3, Length: 20, First: first, Count: 2}}, OldestAt: now, NewestAt: now, CreatedAt: now,
		},
	}
}

func TestACommitWhoseResponseWasLostRecognisesItself(t *testing.T) {
	t.Parallel()
	table := newControlTable(t)
	unlucky := NewLedger(realClient(t, through(losing("TransactWriteItems"))), table)
	if err := unlucky.Commit(t.Context(), testCommit(1, "100")); err != nil {
		t.Errorf("its own commit: %v", err)
	}
	ledger := NewLedger(realClient(t), table)
	if head, err := ledger.Head(t.Context()); err != nil || head.Number != 2 || head.Segments != 1 {
		t.Errorf("the head is %+v, %v", head, err)
	}
	if claim, err := ledger.Claimed(t.Context(), "100"); err != nil || claim != (eventlog.Claim{Records: 2, First: 1}) {
		t.Errorf("the claim is %+v, %v", claim, err)
	}
}

func TestARestoreWhoseAnswerWasLostGoesOn(t *testing.T) {
	t.Parallel()
	table := newControlTable(t)
	all := []eventlog.Manifest{testCommit(1, "100").Manifest, testCommit(3, "102").Manifest}
	if err := NewLedger(realClient(t, through(losing("TransactWriteItems"))), table).Restore(t.Context(), all); err != nil {
		t.Error(err)
	}
	if head, err := NewLedger(realClient(t), table).Head(t.Context()); err != nil || head.Number != 4 || head.Segments != 2 {
		t.Errorf("the head is %+v, %v", head, err)
	}
}

func TestTheFirstReasonOfACancelledCommitCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes []string
		want  error
		sent  int
	}{
		"the claim":                              {[]string{"ConditionalCheckFailed", "None", "None"}, eventlog.ErrClaimed, 1},
		"the claim and the head":                 {[]string{"ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed"}, eventlog.ErrClaimed, 1},
		"the head":                               {[]string{"None", "ConditionalCheckFailed", "None"}, eventlog.ErrHeadMoved, 1},
		"the head, while somebody holds another": {[]string{"None", "ConditionalCheckFailed", "TransactionConflict"}, eventlog.ErrHeadMoved, 1},
		"a claim that somebody is making":        {[]string{"TransactionConflict", "ConditionalCheckFailed", "None"}, nil, commitRetries.Tries},
		"a manifest, which must not happen":      {[]string{"None", "None", "ConditionalCheckFailed"}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			var reasons []string
			for _, code := range test.codes {
				reasons = append(reasons, `{"Code":"`+code+`"}`)
			}
			body := `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"made up by a test","CancellationReasons":[` + strings.Join(reasons, ",") + `]}`
			err := NewLedger(fakeClient(answer(http.StatusBadRequest, body, &sent)), "control").Commit(t.Context(), testCommit(1, "100"))
			if err == nil || test.want != nil && !errors.Is(err, test.want) || int(sent.Load()) != test.sent {
				t.Errorf("sent %d times: %v", sent.Load(), err)
			}
			if known := errors.Is(err, eventlog.ErrClaimed) || errors.Is(err, eventlog.ErrHeadMoved); test.want == nil && known {
				t.Errorf("taken for something known: %v", err)
			}
			if busy := test.sent > 1; busy != (fault.ClassOf(err) == fault.Infra) {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

// TestClaimsAreForgottenInTheEnd looks at what the store needs to forget them.
func TestClaimsAreForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	table, client := newControlTable(t), realClient(t)
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil || ttl.TimeToLiveDescription == nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != attrExpires {
		t.Fatalf("%+v %v", ttl, err)
	}
	if err := CreateControlTable(t.Context(), client, table); err != nil {
		t.Errorf("making the table again: %v", err)
	}
	commit := testCommit(1, "100")
	if err := NewLedger(client, table).Commit(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	if err != nil || len(out.Items) != 3 {
		t.Fatalf("%d items, %v", len(out.Items), err)
	}
	for _, it := range out.Items {
		expires, err := whole(it, attrExpires)
		if err != nil {
			t.Fatal(err)
		}
		kept := time.Unix(int64(expires), 0).Sub(commit.Manifest.CreatedAt.Time())
		if isClaim := strings.HasPrefix(text(it, attrPK), "log#claim#"); isClaim && (kept < eventlog.ClaimsKept || kept > 2*eventlog.ClaimsKept) || !isClaim && expires != 0 {
			t.Errorf("%s is kept for %s", text(it, attrPK), kept)
		}
	}
}

// TestThousandsOfManifestsAreReadOverManyPages has more than one answer of the store holds.
func TestThousandsOfManifestsAreReadOverManyPages(t *testing.T) {
	t.Parallel()
	ledger := NewLedger(realClient(t), newControlTable(t))
	all := make([]eventlog.Manifest, 2500)
	for i := range all {
		all[i] = wideManifest(uint64(i))
	}
	if err := ledger.Restore(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	got, err := ledger.Manifests(t.Context(), 0, 10_000)
	if diff := cmp.Diff(all, got); err != nil || diff != "" {
		t.Errorf("%v\n%.2000s", err, diff)
	}
	if got, err := ledger.Manifests(t.Context(), all[1000].Last, 3); err != nil || len(got) != 3 || !got[0].Equal(&all[1001]) {
		t.Errorf("%d manifests, %v", len(got), err)
	}
	out, err := ledger.get(t.Context(), manifestKey(all[0].Last))
	if size := itemSize(out); err != nil || size > 4096 {
		t.Errorf("a manifest takes %d bytes, %v", size, err)
	}
}

// wideManifest is the n-th of segments that have an event in every partition.
func wideManifest(n uint64) eventlog.Manifest {
	m := testCommit(n*eventlog.Partitions+1, "wide").Manifest
	m.Frames = nil
	for p := range eventlog.Partitions {
		m.Frames = append(m.Frames, eventlog.Frame{Partition: p, Offset: int64(p) * 1_000_000, Length: 1_000_000, First: m.First + uint64(p), Count: 1})
	}
	m.Last, m.Bytes = m.First+eventlog.Partitions-1, eventlog.Partitions*1_000_000
	return m
}
