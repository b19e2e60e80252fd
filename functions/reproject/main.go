// Command reproject runs the steps of rebuilds for the state machine infra/reproject.asl.json.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/rebuild"
)

func main() { lambdas.Main("reproject", rebuild.Build) }
