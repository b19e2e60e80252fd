package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

var _ projection.Agenda = (*Tables)(nil)

// The two lists of the index of tasks: those that may be tried from an instant, and those that are stuck
// since one.
const (
	dueList   = "due"
	stuckList = "stuck"
)

// setTask adds the attributes of a row's task.
func setTask(it item, r *projection.Record) error {
	if r.Task == nil {
		return nil
	}
	raw, err := json.Marshal(r.Task)
	if err != nil {
		return fmt.Errorf("encoding the task of %s: %w", r.Stream, err)
	}
	list, at := agendaOf(r.Task)
	it[attrTask] = str(string(raw))
	it[attrAgenda] = str(listKey(list, eventstore.ShardOf(r.Stream, agendaShards)))
	it[attrDue] = num(int64(at))
	return nil
}

// agendaOf returns the list that a task is in, and its place there.
func agendaOf(task *projection.Task) (list string, at event.Instant) {
	if due, ok := task.Time(); ok {
		return dueList, due
	}
	return stuckList, task.Stuck
}

// Due implements projection.Agenda. It walks the index shard by shard and reads the rows themselves.
func (s *Tables) Due(ctx context.Context, t projection.Table, until event.Instant, cursor string, limit int) ([]projection.Record, string, error) {
	return s.agenda(ctx, t, dueList, until, cursor, limit)
}

// Stuck implements projection.Agenda.
func (s *Tables) Stuck(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return s.agenda(ctx, t, stuckList, event.InstantOfMilli(lastMilli), cursor, limit)
}

// lastMilli is later than any instant that a task has.
const lastMilli = 1 << 52

func (s *Tables) agenda(ctx context.Context, t projection.Table, list string, until event.Instant, cursor string, limit int) ([]projection.Record, string, error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("listing the tasks of table %s: a page of %d makes no sense", s.name(t), limit)
	}
	shard, from, err := agendaCursor(list, cursor)
	if err != nil {
		return nil, "", fmt.Errorf("listing the tasks of table %s: %w", s.name(t), err)
	}
	var records []projection.Record
	for shard < agendaShards && len(records) < limit {
		out, err := s.client.Query(ctx, &dynamodb.QueryInput{
			TableName:                 aws.String(s.name(t)),
			IndexName:                 aws.String(agendaIndex),
			KeyConditionExpression:    aws.String(attrAgenda + " = :list AND " + attrDue + " <= :until"),
			ExpressionAttributeValues: item{":list": str(listKey(list, shard)), ":until": num(int64(until))},
			ExclusiveStartKey:         from,
			Limit:                     aws.Int32(int32(min(limit-len(records), maxBatchGet))),
		})
		if err != nil {
			return nil, "", s.wrap(ctx, t, "querying", err)
		}
		found, err := s.listedTasks(ctx, t, list, until, out.Items)
		if err != nil {
			return nil, "", err
		}
		records = append(records, found...)
		if from = out.LastEvaluatedKey; len(from) == 0 {
			shard++
		}
	}
	if shard >= agendaShards {
		return records, "", nil
	}
	next := map[string]string{"shard": strconv.Itoa(shard)}
	if len(from) > 0 {
		next[attrDue], next[attrPK] = text(from, attrDue), text(from, attrPK)
	}
	return records, encodeCursor(next), nil
}

// agendaCursor returns the shard at which a walk continues, and the last entry that it had there.
func agendaCursor(list, cursor string) (shard int, from item, err error) {
	fields, err := decodeCursor(cursor, "shard")
	if err != nil || fields == nil {
		return 0, nil, err
	}
	shard, err = strconv.Atoi(fields["shard"])
	if err != nil || shard < 0 {
		return 0, nil, fmt.Errorf("cursor %q is not one of this store: start again without one", cursor)
	}
	if fields[attrPK] != "" {
		from = item{
			attrPK: str(fields[attrPK]), attrSK: str(rowSort),
			attrAgenda: str(listKey(list, shard)), attrDue: &types.AttributeValueMemberN{Value: fields[attrDue]},
		}
	}
	return shard, from, nil
}

// listedTasks reads the rows of index entries, in their order. It omits rows whose task has moved on, since
// the index may lag.
func (s *Tables) listedTasks(ctx context.Context, t projection.Table, list string, until event.Instant, entries []item) ([]projection.Record, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	streams := make([]string, len(entries))
	for i, it := range entries {
		streams[i] = streamOf(it)
	}
	rows, err := s.Records(ctx, t, streams)
	if err != nil {
		return nil, err
	}
	var records []projection.Record
	for i, it := range entries {
		r, ok := rows[streams[i]]
		if !ok || r.Task == nil {
			continue
		}
		if in, at := agendaOf(r.Task); in == list && at <= until && strconv.FormatInt(int64(at), 10) == text(it, attrDue) {
			records = append(records, r)
		}
	}
	return records, nil
}

// OldestDue implements projection.Agenda. It judges by the index, which may lag.
func (s *Tables) OldestDue(ctx context.Context, t projection.Table) (event.Instant, error) {
	var oldest event.Instant
	for shard := range agendaShards {
		items, err := s.queryUpTo(ctx, t, &dynamodb.QueryInput{
			TableName:                 aws.String(s.name(t)),
			IndexName:                 aws.String(agendaIndex),
			KeyConditionExpression:    aws.String(attrAgenda + " = :list"),
			ExpressionAttributeValues: item{":list": str(listKey(dueList, shard))},
		}, 1)
		if err != nil {
			return 0, err
		}
		for _, it := range items {
			due, err := strconv.ParseInt(text(it, attrDue), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading table %s: %s is due at %q, which is no instant", s.name(t), streamOf(it), text(it, attrDue))
			}
			if oldest.IsZero() || event.Instant(due) < oldest {
				oldest = max(event.Instant(due), 1)
			}
		}
	}
	return oldest, nil
}

// SetTried implements projection.Agenda.
func (s *Tables) SetTried(ctx context.Context, t projection.Table, row projection.Record, tried projection.Tried) (bool, error) {
	if row.Task == nil {
		return false, nil
	}
	before, after := item{}, item{}
	if err := setTask(before, &row); err != nil {
		return false, err
	}
	row.Task = &projection.Task{Task: row.Task.Task, Tried: tried}
	if err := setTask(after, &row); err != nil {
		return false, err
	}
	name, doing := s.name(t), "recording an attempt at "+row.Stream+" in"
	set := false
	err := retry.Do(ctx, writeRetries, func() (bool, error) {
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:           &name,
			Key:                 rowKey(row.Stream),
			UpdateExpression:    aws.String("SET " + attrTask + " = :task, " + attrAgenda + " = :list, " + attrDue + " = :due"),
			ConditionExpression: aws.String(attrVersion + " = :version AND " + attrTask + " = :before"),
			ExpressionAttributeValues: item{
				":task": after[attrTask], ":list": after[attrAgenda], ":due": after[attrDue],
				":version": num(row.Version), ":before": before[attrTask],
			},
		})
		var failed *types.ConditionalCheckFailedException
		var conflict *types.TransactionConflictException
		switch {
		case errors.As(err, &failed):
			return false, nil
		case errors.As(err, &conflict):
			return true, fault.Unavailable(fmt.Errorf("%s table %s: other transactions kept holding the row: %w", doing, name, err))
		case err != nil:
			return false, s.wrap(ctx, t, doing, err)
		}
		set = true
		return false, nil
	})
	return set, err
}
