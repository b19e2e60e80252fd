// Command bare is the smallest Lambda function there is: the baseline for what our functions
// cost at a cold start and in size.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) error { return nil })
}
