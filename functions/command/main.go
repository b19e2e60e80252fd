// Command command serves the requests that change orders, behind API Gateway.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/command"
)

func main() { lambdas.Main("command", command.Build) }
