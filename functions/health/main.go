// Command health tells how the parts of the system are, behind API Gateway.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "health"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	handler, err := system.Health()
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(handler)
}
