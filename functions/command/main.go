// Command command serves what changes orders, behind API Gateway.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "command"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	handler, err := system.Command()
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(handler)
}
