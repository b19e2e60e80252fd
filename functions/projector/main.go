// Command projector updates the read models from the event table's stream.
package main

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/projector"
)

func main() { lambdas.Main("projector", projector.Build) }
