// Command bare is the smallest possible Lambda function: the baseline for the cold start and the size of our
// functions.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) error { return nil })
}
