package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// The attributes of a row besides its keys. Their names are short because they count in every write, and a
// write unit is 1 KB.
const (
	attrVersion     = "v"
	attrWrites      = "n"
	attrData        = "data"
	attrList        = "b" // <bucket>#<shard>, of visible rows only
	attrSort        = "s" // of visible rows only
	attrParked      = "parked"
	attrParkedShard = "p"    // of parked rows only
	attrTask        = "task" // of rows that wait for a step of their process
	attrAgenda      = "a"    // <list>#<shard>, of those rows
	attrDue         = "u"    // their place in that list
	attrWriteID     = "w"    // id of the write that stored the row, to recognize one's own
)

// The keys of the kinds of items in a table.
const (
	rowPrefix   = "r#"
	rowSort     = "row"
	totalPrefix = "t#"
	markersPK   = "b"
)

func rowKey(stream string) item { return item{attrPK: str(rowPrefix + stream), attrSK: str(rowSort)} }

func totalKey(shard int, key string) item {
	return item{attrPK: str(totalPrefix + strconv.Itoa(shard)), attrSK: str(key)}
}

func markerItem(bucket string) item { return item{attrPK: str(markersPK), attrSK: str(bucket)} }

// listKey returns the key under which the index lists the rows of a bucket's shard.
func listKey(bucket string, shard int) string { return bucket + "#" + strconv.Itoa(shard) }

// rowItem returns the item of a row. A bulk passes no writeID, since it need not recognize its rows.
func rowItem(r *projection.Record, writes uint64, writeID string) (item, error) {
	if r.Stream == "" {
		return nil, errors.New("a row needs the name of its stream")
	}
	it := rowKey(r.Stream)
	it[attrVersion], it[attrWrites] = num(r.Version), num(writes)
	if writeID != "" {
		it[attrWriteID] = str(writeID)
	}
	if len(r.Data) > 0 {
		it[attrData] = str(string(r.Data))
	}
	if r.Visible() && r.Place.Bucket != "" {
		if r.Place.Sort == "" {
			return nil, fmt.Errorf("the row of %s is in bucket %s without a place to be sorted by", r.Stream, r.Place.Bucket)
		}
		it[attrList] = str(listKey(r.Place.Bucket, eventstore.ShardOf(r.Stream, listShards)))
		it[attrSort] = str(r.Place.Sort)
	}
	if r.Parked != nil {
		raw, err := json.Marshal(r.Parked)
		if err != nil {
			return nil, fmt.Errorf("encoding why %s is parked: %w", r.Stream, err)
		}
		it[attrParked] = str(string(raw))
		it[attrParkedShard] = str(strconv.Itoa(eventstore.ShardOf(r.Stream, parkedShards)))
	}
	if err := setTask(it, r); err != nil {
		return nil, err
	}
	if size := itemSize(it); size > maxItemBytes {
		return nil, fmt.Errorf("the row of %s has %d bytes, more than an item can have (%d)", r.Stream, size, maxItemBytes)
	}
	return it, nil
}

// recordOf decodes a row.
func recordOf(it item) (projection.Record, error) {
	r := projection.Record{Stream: streamOf(it)}
	var err error
	if r.Version, err = whole(it, attrVersion); err != nil {
		return r, fmt.Errorf("the row of %s: %w", r.Stream, err)
	}
	if r.Writes, err = whole(it, attrWrites); err != nil {
		return r, fmt.Errorf("the row of %s: %w", r.Stream, err)
	}
	if data := text(it, attrData); data != "" {
		r.Data = []byte(data)
	}
	list := text(it, attrList)
	if shard := strings.LastIndexByte(list, '#'); shard >= 0 {
		r.Place = model.Place{Bucket: list[:shard], Sort: text(it, attrSort)}
	}
	if parked := text(it, attrParked); parked != "" {
		r.Parked = new(projection.Parked)
		if err := json.Unmarshal([]byte(parked), r.Parked); err != nil {
			return r, fmt.Errorf("why %s is parked cannot be read: %w", r.Stream, err)
		}
	}
	if task := text(it, attrTask); task != "" {
		r.Task = new(projection.Task)
		if err := json.Unmarshal([]byte(task), r.Task); err != nil {
			return r, fmt.Errorf("the task of %s cannot be read: %w", r.Stream, err)
		}
	}
	return r, nil
}

func streamOf(it item) string { return strings.TrimPrefix(text(it, attrPK), rowPrefix) }

// rowCondition holds while the row still has the number of writes that the change expects.
func rowCondition(expected uint64) (string, map[string]types.AttributeValue) {
	if expected == 0 {
		return "attribute_not_exists(" + attrPK + ")", nil
	}
	return attrWrites + " = :expected", item{":expected": num(expected)}
}
