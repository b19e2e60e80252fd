package dynamo

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/engine/credential"
)

var _ credential.Store = (*Control)(nil)

// credentialPK is the partition of a kind of credentials. They are few and small, so one is enough.
func credentialPK(kind string) string { return "credential#" + kind }

// Credentials implements credential.Store.
func (s *Control) Credentials(ctx context.Context, kind string) ([]credential.Record, error) {
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String(attrPK + " = :kind"),
		ExpressionAttributeValues: item{":kind": str(credentialPK(kind))},
	}
	what := "reading credentials of kind " + kind + " in table " + s.table
	var all []credential.Record
	for {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, wrap(ctx, what, err)
		}
		for _, it := range out.Items {
			revision, err := whole(it, attrChanges)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", what, text(it, attrSK), err)
			}
			all = append(all, credential.Record{ID: text(it, attrSK), Revision: revision, Value: json.RawMessage(text(it, attrValue))})
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			return all, nil
		}
	}
}

// AddCredential implements credential.Store.
func (s *Control) AddCredential(ctx context.Context, kind string, r credential.Record) error {
	r.Revision = 0
	return s.putChanged(ctx, credentialItem(kind, r), 0, credential.ErrExists)
}

// ReplaceCredential implements credential.Store.
func (s *Control) ReplaceCredential(ctx context.Context, kind string, r credential.Record) error {
	return s.putChanged(ctx, credentialItem(kind, r), max(r.Revision, 1), credential.ErrChanged)
}

func credentialItem(kind string, r credential.Record) item {
	return item{attrPK: str(credentialPK(kind)), attrSK: str(r.ID), attrValue: str(string(r.Value))}
}
