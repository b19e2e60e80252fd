// Command archiver puts the event table's stream into the numbered log.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/archiver"
)

func main() { lambdas.Main("archiver", archiver.Build) }
