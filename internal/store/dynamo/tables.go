package dynamo

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/projection"
)

// TablesAPI is the part of the SDK that Tables uses. *dynamodb.Client implements it.
type TablesAPI interface {
	EventsAPI
	SchemaAPI
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
}

// Options say how the tables of projections are named and tagged.
type Options struct {
	Prefix string            // of every table's name, such as "gakushoku-prod-"
	Tags   map[string]string // of every created table, for billing and permissions
}

// Tables implements projection.Store with one DynamoDB table per table version. It reads rows and totals
// consistently; List, ParkedRecords and Agenda find their rows through indexes that follow a write within moments.
type Tables struct {
	client  TablesAPI
	options Options
	markers markers
}

var _ projection.Store = (*Tables)(nil)

// NewTables returns the projection store of the tables with o's prefix.
func NewTables(client TablesAPI, o Options) *Tables {
	o.Tags = maps.Clone(o.Tags)
	return &Tables{client: client, options: o}
}

// The number of shards of keys that all writers share, since one key takes 1,000 writes a second. Stored keys
// depend on these numbers: changing one requires new tables.
const (
	totalShards  = 8 // of each total
	listShards   = 4 // of each bucket, written once per row
	parkedShards = 4 // of the index of parked rows
	agendaShards = 8 // of each list of tasks, written with each version of a process's row
)

// The indexes of a table. All are sparse and hold only keys. The bucket index has keys that never change, so
// that it costs one write when a row is created and none afterwards.
const (
	listIndex   = "list"
	parkedIndex = "parked"
	agendaIndex = "agenda"
)

func (s *Tables) name(t projection.Table) string { return s.options.Prefix + t.String() }

// Create implements projection.Tables. It waits until the table can be used, which takes some seconds on AWS.
func (s *Tables) Create(ctx context.Context, t projection.Table) error {
	marks := map[string]string{"projection": t.Projection, "tableVersion": strconv.Itoa(t.Version)}
	maps.Copy(marks, s.options.Tags)
	s.markers.forget(t)
	return createTable(ctx, s.client, &dynamodb.CreateTableInput{
		TableName:   aws.String(s.name(t)),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			stringAttribute(attrPK), stringAttribute(attrSK), stringAttribute(attrList), stringAttribute(attrSort), stringAttribute(attrParkedShard),
			stringAttribute(attrAgenda), {AttributeName: aws.String(attrDue), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: keys(attrPK, attrSK),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			keysOnlyIndex(listIndex, attrList, attrSort),
			keysOnlyIndex(parkedIndex, attrParkedShard, attrPK),
			keysOnlyIndex(agendaIndex, attrAgenda, attrDue),
		},
		Tags: tags(marks),
	})
}

func keysOnlyIndex(name, partition, sort string) types.GlobalSecondaryIndex {
	return types.GlobalSecondaryIndex{
		IndexName:  &name,
		KeySchema:  keys(partition, sort),
		Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
	}
}

// Drop implements projection.Tables. It waits until the table is gone.
func (s *Tables) Drop(ctx context.Context, t projection.Table) error {
	s.markers.forget(t)
	return dropTable(ctx, s.client, s.name(t))
}

// wrap is the function wrap, with ErrNoTable for a missing table.
func (s *Tables) wrap(ctx context.Context, t projection.Table, doing string, err error) error {
	if missing(err) && ctx.Err() == nil {
		return fmt.Errorf("%s table %s: %w", doing, s.name(t), projection.ErrNoTable)
	}
	return wrap(ctx, doing+" table "+s.name(t), err)
}

// maxMarkers bounds the buckets that are remembered; beyond that all are forgotten and their markers written
// again.
const maxMarkers = 10_000

// markers remembers the buckets whose markers are known to be stored, so that a marker costs one write per
// bucket and process.
type markers struct {
	mu    sync.Mutex
	known map[marker]struct{}
}

type marker struct {
	table  projection.Table
	bucket string
}

func (m *markers) has(t projection.Table, bucket string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.known[marker{t, bucket}]
	return ok
}

func (m *markers) add(t projection.Table, bucket string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxMarkers {
		m.known = map[marker]struct{}{}
	}
	m.known[marker{t, bucket}] = struct{}{}
}

func (m *markers) forget(t projection.Table) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.known, func(k marker, _ struct{}) bool { return k.table == t })
}
