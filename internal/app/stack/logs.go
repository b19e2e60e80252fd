package stack

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/insights"
)

// functions are the functions of a stack, without the stack's name, as in template.yaml.
var functions = []string{"command", "query", "health", "projector", "archiver", "reproject", "process"}

// How often a call is tried if the service returns "too many requests", which it soon does, and how long to
// wait in between.
const (
	tries   = 8
	backoff = 5 * time.Second
)

// OpenLogs opens the logs of a stack's functions by the stack's name.
func OpenLogs(ctx context.Context, name string) (*insights.Logs, error) {
	cloud, err := OpenCloud(ctx)
	if err != nil {
		return nil, err
	}
	return logsOf(cloud.Config, name), nil
}

func logsOf(cloud aws.Config, name string) *insights.Logs {
	logs := &insights.Logs{Client: cloudwatchlogs.NewFromConfig(cloud, func(o *cloudwatchlogs.Options) { o.Retryer = awsfault.Retryer(tries, backoff) })}
	for _, f := range functions {
		logs.Groups = append(logs.Groups, "/aws/lambda/"+name+"-"+f)
	}
	return logs
}
