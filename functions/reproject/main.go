// Command reproject runs the steps of rebuilds for the state machine infra/reproject.asl.json.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "reproject"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	handler, err := system.Reproject()
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(handler)
}
