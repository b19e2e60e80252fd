// Command audit signs the log each hour.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/audit"
)

func main() { lambdas.Main("audit", audit.Build) }
