// Command projector brings the read models up to date with the event table's stream.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "projector"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(system.Projector())
}
