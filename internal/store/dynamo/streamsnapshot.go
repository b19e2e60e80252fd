package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/streamstate"
)

var _ streamstate.Store = (*Control)(nil)

// snapshotLife is how long a snapshot is kept after it was written. A stream that is still appended to gets
// another one; the others are not worth their room.
const snapshotLife = 7 * 24 * time.Hour

// The attributes of a snapshot. They are stored, so never rename one.
const (
	attrSnapshotVersion  = "version"
	attrSnapshotEvent    = "event"
	attrSnapshotRevision = "revision"
	attrSnapshotData     = "data"
)

// snapshotKey is in the control table and not beside the stream: the event table's own stream would bring each
// snapshot to the projector and the archiver, which count every change that is not a new event.
func snapshotKey(stream string) item {
	return item{attrPK: str("snapshot#" + stream), attrSK: str("snapshot")}
}

// Snapshot implements streamstate.Store.
func (s *Control) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	it, err := s.get(ctx, snapshotKey(stream))
	if err != nil || len(it) == 0 {
		return streamstate.Snapshot{}, err
	}
	shot := streamstate.Snapshot{Stream: stream, EventID: text(it, attrSnapshotEvent)}
	if shot.Version, err = whole(it, attrSnapshotVersion); err == nil {
		var revision uint64
		revision, err = whole(it, attrSnapshotRevision)
		shot.Revision = int(revision)
	}
	data, ok := it[attrSnapshotData].(*types.AttributeValueMemberB)
	if err == nil && !ok {
		err = fmt.Errorf("%s is missing", attrSnapshotData)
	}
	if err != nil {
		return streamstate.Snapshot{}, fmt.Errorf("%s: %w", s.doing("decoding", snapshotKey(stream)), err)
	}
	shot.Data = data.Value
	return shot, nil
}

// SetSnapshot implements streamstate.Store.
func (s *Control) SetSnapshot(ctx context.Context, shot streamstate.Snapshot) error {
	it := snapshotKey(shot.Stream)
	it[attrSnapshotVersion], it[attrSnapshotEvent] = num(shot.Version), str(shot.EventID)
	it[attrSnapshotRevision] = num(shot.Revision)
	it[attrSnapshotData] = &types.AttributeValueMemberB{Value: shot.Data}
	it[attrExpires] = num(time.Now().Add(snapshotLife).Unix())
	doing := s.doing("writing", it)
	if size := itemSize(it); size > maxItemBytes {
		return fmt.Errorf("%s: %w: it has %d bytes, %d is the limit", doing, streamstate.ErrTooLarge, size, maxItemBytes)
	}
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	return wrap(ctx, doing, err)
}

// DropSnapshot implements streamstate.Store.
func (s *Control) DropSnapshot(ctx context.Context, stream string) error {
	key := snapshotKey(stream)
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: key})
	return wrap(ctx, s.doing("dropping", key), err)
}
