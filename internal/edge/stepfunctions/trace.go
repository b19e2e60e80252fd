package stepfunctions

import (
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/store/awstrace"
)

// Traced records the calls of a client as spans.
func Traced(o *sfn.Options) {
	o.APIOptions = append(o.APIOptions, awstrace.Service{Names: names}.Record)
}

// names returns the attributes that identify a call's state machine, or its execution, named after the run.
func names(input any) []attribute.KeyValue {
	var machine, execution *string
	switch in := input.(type) {
	case *sfn.StartExecutionInput:
		machine, execution = in.StateMachineArn, in.Name
	case *sfn.StopExecutionInput:
		execution = in.ExecutionArn
	case *sfn.DescribeExecutionInput:
		execution = in.ExecutionArn
	case *sfn.GetExecutionHistoryInput:
		execution = in.ExecutionArn
	}
	var noted []attribute.KeyValue
	if machine != nil {
		noted = append(noted, attribute.String("aws.step_functions.state_machine.arn", *machine))
	}
	if execution != nil {
		noted = append(noted, attribute.String("gakushoku.execution", *execution))
	}
	return noted
}
