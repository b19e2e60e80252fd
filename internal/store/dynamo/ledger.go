package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/retry"
)

// LedgerAPI is the part of the SDK that Ledger uses. *dynamodb.Client implements it.
type LedgerAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Ledger implements eventlog.Ledger in the control table:
//   - pk "log#head": the head, whose number is a condition of every commit;
//   - pk "log#manifest", sk the number of the segment's last event in 20 digits, so that a page of
//     manifests after a number is one query;
//   - pk "log#claim#<source>": what a commit covers; DynamoDB drops it some time after
//     eventlog.ClaimsKept (the attribute expires).
type Ledger struct {
	client LedgerAPI
	table  string
}

var _ eventlog.Ledger = (*Ledger)(nil)

// NewLedger returns the ledger in a control table.
func NewLedger(client LedgerAPI, table string) *Ledger { return &Ledger{client: client, table: table} }

// The attributes of the ledger's items, besides value.
const (
	attrNumber    = "number"      // head: of the last event; claim: of the segment's first
	attrSegments  = "segments"    // head: number of segments
	attrCommitted = "committedAt" // head
	attrChain     = "chain"       // head: the chain's hash
	attrChained   = "chainedTo"   // head: the number that attrChain is for; an older program moves the head without both
	attrRecords   = "records"     // claim
	// attrExpires is when DynamoDB may drop an item of the control table, in seconds since 1970: the table's
	// time to live, in template.yaml too. Items without it stay.
	attrExpires = "expires"
)

const (
	manifestPK = "log#manifest"
	// claimMargin is added to eventlog.ClaimsKept, since clocks differ.
	claimMargin = 24 * time.Hour
	// maxManifestPage is about as many manifests as fit in a DynamoDB response of 1 MB.
	maxManifestPage = 500
)

// commitRetries is how a commit waits for another transaction that holds the head.
var commitRetries = retry.Policy{Tries: 8, First: 20 * time.Millisecond, Longest: 500 * time.Millisecond, Jitter: 1}

func headKey() item { return item{attrPK: str("log#head"), attrSK: str("head")} }

func claimKey(source string) item {
	return item{attrPK: str("log#claim#" + source), attrSK: str("claim")}
}

func manifestKey(last uint64) item {
	return item{attrPK: str(manifestPK), attrSK: str(fmt.Sprintf("%020d", last))}
}

// Head implements eventlog.Ledger.
func (s *Ledger) Head(ctx context.Context) (eventlog.Head, error) {
	it, err := s.get(ctx, headKey())
	if err != nil || len(it) == 0 {
		return eventlog.Head{}, err
	}
	var head eventlog.Head
	if head.Number, err = whole(it, attrNumber); err == nil {
		head.Segments, err = whole(it, attrSegments)
	}
	if chained, ok := it[attrChained].(*types.AttributeValueMemberN); ok && chained.Value == strconv.FormatUint(head.Number, 10) {
		head.Chain = text(it, attrChain)
	}
	if err == nil {
		head.CommittedAt, err = event.ParseInstant(text(it, attrCommitted))
	}
	if err != nil {
		return eventlog.Head{}, fmt.Errorf("%s: %w", s.doing("decoding the head"), err)
	}
	return head, nil
}

// Claimed implements eventlog.Ledger.
func (s *Ledger) Claimed(ctx context.Context, source string) (eventlog.Claim, error) {
	it, err := s.get(ctx, claimKey(source))
	if err != nil || len(it) == 0 {
		return eventlog.Claim{}, err
	}
	records, err := whole(it, attrRecords)
	if err != nil {
		return eventlog.Claim{}, fmt.Errorf("%s: %w", s.doing("decoding a claim"), err)
	}
	first, err := whole(it, attrNumber)
	if err != nil {
		return eventlog.Claim{}, fmt.Errorf("%s: %w", s.doing("decoding a claim"), err)
	}
	return eventlog.Claim{Records: int(records), First: first}, nil
}

func (s *Ledger) get(ctx context.Context, key item) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, wrap(ctx, s.doing("reading "+text(key, attrPK)), err)
	}
	return out.Item, nil
}

// Manifests implements eventlog.Ledger.
func (s *Ledger) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%s: a page of %d makes no sense", s.doing("reading manifests"), limit)
	}
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		KeyConditionExpression:    aws.String(attrPK + " = :pk AND " + attrSK + " > :after"),
		ExpressionAttributeValues: item{":pk": str(manifestPK), ":after": manifestKey(after)[attrSK]},
		ConsistentRead:            aws.Bool(true),
	}
	var manifests []eventlog.Manifest
	for {
		in.Limit = aws.Int32(int32(min(limit-len(manifests), maxManifestPage)))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, wrap(ctx, s.doing("reading manifests"), err)
		}
		for _, it := range out.Items {
			m, err := manifestOf(it)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.doing("reading manifests"), err)
			}
			manifests = append(manifests, m)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(manifests) >= limit || len(in.ExclusiveStartKey) == 0 {
			return manifests, nil
		}
	}
}

// Commit implements eventlog.Ledger.
func (s *Ledger) Commit(ctx context.Context, c eventlog.Commit) error {
	doing := s.doing(fmt.Sprintf("committing the events %d to %d", c.Manifest.First, c.Manifest.Last))
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	manifest, err := s.putManifest(&c.Manifest)
	if err != nil {
		return err
	}
	var sent attempts
	err = s.transact(ctx, doing, &sent, []ledgerWrite{
		{item: s.putClaim(c), failed: eventlog.ErrClaimed},
		{item: s.extendHead(&c.Manifest), failed: eventlog.ErrHeadMoved},
		{item: manifest},
	})
	if errors.Is(err, eventlog.ErrClaimed) && sent.Repeated() {
		if own, look := s.committed(ctx, &c.Manifest); own || look != nil {
			return look
		}
	}
	return err
}

// committed reports whether the ledger has this manifest, identified by its segment's key: no two commits
// share one.
func (s *Ledger) committed(ctx context.Context, m *eventlog.Manifest) (bool, error) {
	it, err := s.get(ctx, manifestKey(m.Last))
	if err != nil || len(it) == 0 {
		return false, err
	}
	there, err := manifestOf(it)
	return err == nil && there.Key == m.Key, err
}

func manifestOf(it item) (m eventlog.Manifest, err error) {
	if err := json.Unmarshal([]byte(text(it, attrValue)), &m); err != nil {
		return m, fmt.Errorf("decoding manifest %s: %w", text(it, attrSK), err)
	}
	return m, nil
}

func (s *Ledger) doing(what string) string { return what + " in table " + s.table }
