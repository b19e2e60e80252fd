package stack

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"gakushoku/internal/store/awsfault"
)

// pointerTTLParameter is the stack's parameter that sets POINTER_TTL of its functions.
const pointerTTLParameter = "PointerTtl"

// pointerTTL returns how long the functions of a stack cache a pointer, as it was deployed.
func pointerTTL(ctx context.Context, cloud aws.Config, name string) (time.Duration, error) {
	found, err := cloudformation.NewFromConfig(cloud).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return 0, awsfault.Wrap(ctx, "reading the parameters of stack "+name, err)
	}
	for i := range found.Stacks {
		for _, p := range found.Stacks[i].Parameters {
			if aws.ToString(p.ParameterKey) == pointerTTLParameter {
				return time.ParseDuration(aws.ToString(p.ParameterValue))
			}
		}
	}
	return 0, fmt.Errorf("stack %s has no parameter %s", name, pointerTTLParameter)
}
