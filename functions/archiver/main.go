// Command archiver puts the event table's stream into the numbered log.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "archiver"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	handler, err := system.Archiver()
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(handler)
}
