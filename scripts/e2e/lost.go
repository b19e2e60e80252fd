package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/store/dynamo/feed"
)

// feedPage is how many records of the stream are read at once.
const feedPage = 1000

// lost returns the events of the event table that never reached its stream. On AWS there are none. An
// emulator may lose a record, which is then never delivered.
func (c *canteen) lost(ctx context.Context) ([]string, error) {
	streamed, err := c.inStream(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := c.inTable(ctx)
	if err != nil {
		return nil, err
	}
	// Events appended since the first look are in the stream by now.
	if again, err := c.inStream(ctx); err == nil {
		maps.Copy(streamed, again)
	}
	return without(stored, streamed), nil
}

// inStream returns every event in the table's stream.
func (c *canteen) inStream(ctx context.Context) (map[string]bool, error) {
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	stream := feed.New(dynamodb.NewFromConfig(cloud), dynamodbstreams.NewFromConfig(cloud), c.deployment.outputs["EventTable"])
	found := map[string]bool{}
	for cursor, empty := "", 0; empty < 2; {
		events, next, err := stream.Read(ctx, cursor, feedPage)
		if err != nil {
			return nil, err
		}
		for i := range events {
			found[keyOf(&events[i])] = true
		}
		if cursor = next; len(events) > 0 {
			empty = 0
		} else {
			empty++
		}
	}
	return found, nil
}

// unlessLost runs a check. If it fails, and an emulator's stream has lost records, unlessLost repairs them as
// an operator would, and checks again.
func (c *canteen) unlessLost(ctx context.Context, check func(context.Context) error) error {
	failure := check(ctx)
	if failure == nil || ctx.Err() != nil {
		return failure
	}
	lost, err := c.lost(ctx)
	if err != nil || len(lost) == 0 {
		return failure
	}
	say("   the emulator's stream lacks %d events of the table: %.300v; they are repaired by hand", len(lost), lost)
	streams := map[string]bool{}
	for _, key := range lost {
		stream, _, _ := strings.Cut(key, "@")
		streams[stream] = true
	}
	if err := c.ops.Models.Heal(ctx, readmodel.OrdersName, slices.Sorted(maps.Keys(streams)), func(verify.Healed) error { return nil }); err != nil {
		return err
	}
	if _, err := c.ops.LogCheck.Verify(ctx, logcheck.Options{Deep: true, Fix: true}); err != nil {
		return err
	}
	return check(ctx)
}
