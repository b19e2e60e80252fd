package feed

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// TestTurnsOfShards reads a stream whose shards split: parents come before children, and a
// shard that always has something does not keep its neighbours waiting.
func TestTurnsOfShards(t *testing.T) {
	t.Parallel()
	shards := []types.Shard{shardOfTest("a", "trimmed"), shardOfTest("b", ""), shardOfTest("c", "a"), shardOfTest("d", "c")}
	c := &feedCursor{Shards: map[string]*shardRead{"gone": {Done: true}}}
	c.settle(shards)
	if _, stale := c.Shards["gone"]; stale {
		t.Error("a shard that is gone is still in the cursor")
	}
	var order string
	ends := map[int]bool{3: true, 5: true, 6: true} // a, c and d are read to their ends in these turns
	for turn := 1; turn <= 8; turn++ {
		s, ok := c.turn(shards, nil)
		if !ok {
			break
		}
		c.Last = *s.ShardId
		order += c.Last
		c.Shards[c.Last].Done = ends[turn]
	}
	if want := "ababcdbb"; order != want {
		t.Errorf("the turns were %s, want %s", order, want)
	}
}

func shardOfTest(id, parent string) types.Shard {
	s := types.Shard{ShardId: aws.String(id)}
	if parent != "" {
		s.ParentShardId = aws.String(parent)
	}
	return s
}

func TestRecordsThatAreNoNewEventsArePassedOver(t *testing.T) {
	t.Parallel()
	record := types.Record{EventName: types.OperationTypeRemove, Dynamodb: &types.StreamRecord{}}
	if _, is, err := eventOfRecord(record); is || err != nil {
		t.Errorf("got %v, %v", is, err)
	}
	record = types.Record{EventName: types.OperationTypeInsert, Dynamodb: &types.StreamRecord{NewImage: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}}}}
	if _, is, err := eventOfRecord(record); is || err == nil {
		t.Errorf("got %v, %v, want an error", is, err)
	}
}
