// Package infra holds what describes the system to others: its HTTP contract here, and beside
// it the definitions that are deployed and the pages that people on call read. Programs take
// the contract and the pages from here, so that what is served, run and checked against, and what
// is reviewed, are one and the same file.
package infra

//go:generate go run gakushoku/scripts/observability observability.yaml

import (
	"embed"
	"io/fs"
)

//go:embed openapi.json
var openAPI []byte

// OpenAPI is the HTTP contract, an OpenAPI 3.0 document in JSON. It is written in openapi.yaml, and
// go test ./infra -run OpenAPI -update converts it. The caller must not change it.
func OpenAPI() []byte { return openAPI }

//go:embed runbooks/*.md
var runbooks embed.FS

// Runbooks are the pages for people on call.
func Runbooks() fs.FS {
	pages, err := fs.Sub(runbooks, "runbooks")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return pages
}
