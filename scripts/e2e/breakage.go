package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loadgen"
)

// tooMany is added by hand to the day's number of orders.
const tooMany = 100_000

// breakRows damages a read model by hand, as a bad deployment might: three rows are wrong, two are missing,
// and a total is wrong. Readers see all of it.
func (c *canteen) breakRows(ctx context.Context, version int, orders []served) error {
	for _, s := range orders[:3] {
		if err := c.overwriteRow(ctx, version, s.ID); err != nil {
			return err
		}
	}
	for _, s := range orders[3:] {
		if _, err := c.tables.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: c.tableName(version), Key: rowKey(s.ID)}); err != nil {
			return fmt.Errorf("deleting the row of %s: %w", s.ID, err)
		}
	}
	today := day.Of(event.InstantOf(time.Now()))
	_, err := c.tables.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: c.tableName(version), Key: key("t#0", today), UpdateExpression: aws.String("ADD #f :n"),
		ExpressionAttributeNames:  map[string]string{"#f": "f:" + readmodel.FieldOrders},
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: fmt.Sprint(tooMany)}},
	})
	if err != nil {
		return fmt.Errorf("breaking the total of %s: %w", today, err)
	}
	say("   3 rows of version %d were overwritten by hand, 2 deleted, and a total is wrong", version)
	return c.wantBroken(ctx, orders, today)
}

func (c *canteen) tableName(version int) *string {
	return aws.String(c.deployment.outputs["ReadModelPrefix"] + table(version).String())
}

func key(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

func rowKey(orderID string) map[string]types.AttributeValue {
	return key("r#"+order.Stream(orderID), "row")
}

// overwriteRow replaces the row of a served order by one of an order that was never paid.
func (c *canteen) overwriteRow(ctx context.Context, version int, orderID string) error {
	row, err := c.stack.Tables.Record(ctx, table(version), order.Stream(orderID))
	if err != nil {
		return err
	}
	wrong := strings.ReplaceAll(string(row.Data), "PICKED_UP", "ORDERED")
	if wrong == string(row.Data) {
		return fmt.Errorf("the row of %s does not say that it was picked up: %s", orderID, row.Data)
	}
	_, err = c.tables.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: c.tableName(version), Key: rowKey(orderID), UpdateExpression: aws.String("SET #d = :wrong"),
		ExpressionAttributeNames:  map[string]string{"#d": "data"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":wrong": &types.AttributeValueMemberS{Value: wrong}},
	})
	if err != nil {
		return fmt.Errorf("overwriting the row of %s: %w", orderID, err)
	}
	return nil
}

// wantBroken checks that readers see the damage: otherwise a rebuild that repairs nothing would pass.
func (c *canteen) wantBroken(ctx context.Context, orders []served, today string) error {
	for _, s := range orders[:3] {
		if shown, ok := c.client.order(ctx, s.ID, 0); !ok || shown.Status != "ORDERED" {
			return fmt.Errorf("order %s is shown as %+v though its row was broken", s.ID, shown)
		}
	}
	for _, s := range orders[3:] {
		shown, err := c.client.app.Order(ctx, s.ID, 0)
		if refused := (&loadgen.Refusal{}); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			return fmt.Errorf("order %s is shown as %+v though its row was deleted (%w)", s.ID, shown, err)
		}
	}
	if sales, err := c.sales(ctx, today); err != nil || sales < tooMany {
		return fmt.Errorf("the sales of %s have %d orders though %d were added (%v)", today, sales, tooMany, err)
	}
	return nil
}

// wantMended checks that readers see the correct data, and lets guests look at the orders again.
func (c *canteen) wantMended(ctx context.Context, orders []served) error {
	for _, s := range orders {
		if shown, ok := c.client.order(ctx, s.ID, 0); !ok || shown.Status != "PICKED_UP" || shown.Version != s.Version {
			return fmt.Errorf("order %s is shown as %+v after the rebuild", s.ID, shown)
		}
	}
	today := day.Of(event.InstantOf(time.Now()))
	if sales, err := c.sales(ctx, today); err != nil || sales >= tooMany {
		return fmt.Errorf("the sales of %s have %d orders after the rebuild (%v)", today, sales, err)
	}
	c.guests.mend()
	say("   what was broken is right again")
	return nil
}

// sales returns the number of orders of a day.
func (c *canteen) sales(ctx context.Context, day string) (int64, error) {
	answer, ok := ask[struct {
		Orders int64 `json:"orders"`
	}](ctx, c.client, "/sales/"+day)
	if !ok {
		return 0, fmt.Errorf("the sales of %s could not be read", day)
	}
	return answer.Orders, nil
}

// changeEvent changes a stored event by hand, as no function may, and reverts the change. The operator on
// call must be notified, and the change must not reach the log.
func changeEvent(ctx context.Context, c *canteen) error {
	if err := c.guests.waitServed(ctx, 1); err != nil {
		return err
	}
	stream := order.Stream(c.guests.all()[0].ID)
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String(c.deployment.outputs["EventTable"]), UpdateExpression: aws.String("SET changedBy = :me"),
		Key:                       map[string]types.AttributeValue{"stream": &types.AttributeValueMemberS{Value: stream}, "version": &types.AttributeValueMemberN{Value: "1"}},
		ExpressionAttributeValues: map[string]types.AttributeValue{":me": &types.AttributeValueMemberS{Value: "e2e"}},
	}
	if _, err := c.tables.UpdateItem(ctx, in); err != nil {
		return fmt.Errorf("changing an event of %s: %w", stream, err)
	}
	in.UpdateExpression, in.ExpressionAttributeValues = aws.String("REMOVE changedBy"), nil
	if _, err := c.tables.UpdateItem(ctx, in); err != nil {
		return fmt.Errorf("changing an event of %s back: %w", stream, err)
	}
	err := until(ctx, traceLimit, "events:changed of "+stream+" in the log of the archiver", func(ctx context.Context) (bool, error) {
		lines, err := c.linesWith(ctx, "archiver", stream)
		return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, `"events:changed"`) }), err
	})
	if err != nil {
		return err
	}
	say("   an event of %s was changed by hand, and the archiver has told of it", stream)
	return c.wantLogSound(ctx)
}
