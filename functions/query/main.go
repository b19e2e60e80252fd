// Command query serves the requests that read orders and sales, behind API Gateway.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/query"
)

func main() { lambdas.Main("query", query.Build) }
