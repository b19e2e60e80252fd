// Command archiver appends the event table's stream to the numbered log.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/archiver"
)

func main() { lambdas.Main("archiver", archiver.Build) }
