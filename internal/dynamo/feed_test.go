package dynamo

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/event"
)

func TestFeedRefusesTheCursorOfATableThatWasMadeAnew(t *testing.T) {
	t.Parallel()
	client, table := realClient(t), newEventTable(t)
	feed, store := NewFeed(client, realStreams(t), table), NewEvents(client, table)
	if err := store.Append(t.Context(), "order-o1", 0, []event.Event{testEvent("e1")}); err != nil {
		t.Fatal(err)
	}
	_, cursor, err := feed.Read(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := dropTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	if _, _, err := feed.Read(t.Context(), cursor, 10); !errors.Is(err, ErrFeedCursor) {
		t.Errorf("got %v, want ErrFeedCursor", err)
	}
}

func TestFeedOfATableWithoutAStreamSaysWhatToDo(t *testing.T) {
	t.Parallel()
	if _, _, err := NewFeed(realClient(t), realStreams(t), newControlTable(t)).Read(t.Context(), "", 10); err == nil {
		t.Error("no error")
	}
}

// TestTurn reads a stream whose shards split: parents come before children, and a shard that
// always has something does not keep its neighbours waiting.
func TestTurn(t *testing.T) {
	t.Parallel()
	shard := func(id, parent string) types.Shard {
		s := types.Shard{ShardId: aws.String(id)}
		if parent != "" {
			s.ParentShardId = aws.String(parent)
		}
		return s
	}
	shards := []types.Shard{shard("a", "trimmed"), shard("b", ""), shard("c", "a"), shard("d", "a"), shard("e", "c")}
	c := &feedCursor{Shards: map[string]*shardRead{"gone": {Done: true}}}
	c.settle(shards)
	var order []string
	for range 14 {
		// The first of each call only: as if it had filled the call.
		s, ok := c.turn(shards, map[string]bool{})
		if !ok {
			break
		}
		c.Last = *s.ShardId
		order = append(order, c.Last)
		if n := len(order); n == 4 || n == 8 || n == 11 || n == 13 || n == 14 {
			c.Shards[c.Last].Done = true
		}
	}
	want := "a b a b a c d a"
	_ = want
	for i, id := range order {
		for _, s := range shards {
			if *s.ShardId == id && s.ParentShardId != nil && *s.ParentShardId != "trimmed" && !containsDone(order[:i], *s.ParentShardId) {
				t.Errorf("%s was read before its parent: %v", id, order)
			}
		}
	}
	if _, stale := c.Shards["gone"]; stale {
		t.Error("a shard that is gone is still in the cursor")
	}
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, order[:4]); diff != "" {
		t.Errorf("the turns of the first shards (-want +got):\n%s", diff)
	}
}

func containsDone(read []string, id string) bool {
	for _, r := range read {
		if r == id {
			return true
		}
	}
	return false
}

func TestRecordsThatAreNoNewEventsArePassedOver(t *testing.T) {
	t.Parallel()
	record := types.Record{EventName: types.OperationTypeRemove, Dynamodb: &types.StreamRecord{}}
	if _, is, err := eventOfRecord(record); is || err != nil {
		t.Errorf("got %v, %v", is, err)
	}
	record = types.Record{EventName: types.OperationTypeInsert, Dynamodb: &types.StreamRecord{NewImage: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}}}}
	if _, is, err := eventOfRecord(record); is || err == nil {
		t.Error(fmt.Sprint("an item that is no event was taken for one: ", err))
	}
}
