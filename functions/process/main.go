// Command process carries out the steps of processes that are due.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/process"
)

func main() { lambdas.Main("process", process.Build) }
