// Command query serves what shows orders and sales, behind API Gateway.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"gakushoku/internal/app/lambdas"
)

const name = "query"

func main() {
	system, err := lambdas.Open(context.Background(), name, os.Getenv)
	if err != nil {
		lambdas.Exit(name, err)
	}
	handler, err := system.Query()
	if err != nil {
		lambdas.Exit(name, err)
	}
	lambda.Start(handler)
}
