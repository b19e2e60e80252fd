package stack

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"gakushoku/internal/insights"
)

// functions are those of a stack, as template.yaml names them after it.
var functions = []string{"command", "query", "health", "projector", "archiver", "reproject"}

// tries is how often the service is asked that answers "too many requests", which it does soon.
const tries = 8

// OpenLogs opens the logs of a stack's functions by the stack's name.
func OpenLogs(ctx context.Context, name string) (*insights.Logs, error) {
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	logs := &insights.Logs{Client: cloudwatchlogs.NewFromConfig(cloud, func(o *cloudwatchlogs.Options) { o.RetryMaxAttempts = tries })}
	for _, f := range functions {
		logs.Groups = append(logs.Groups, "/aws/lambda/"+name+"-"+f)
	}
	return logs, nil
}
