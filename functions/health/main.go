// Command health reports the state of each part of the system, behind API Gateway.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/health"
)

func main() { lambdas.Main("health", health.Build) }
