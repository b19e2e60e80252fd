// Package infra holds what describes the system to others: its HTTP contract here, and beside
// it the definitions that are deployed and the pages that people on call read. Programs take
// the contract from here, so that what is served, what requests are checked against and what
// is reviewed are one and the same file.
package infra

import _ "embed"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the HTTP contract: an OpenAPI 3.0 document in YAML. The caller must not change
// it.
func OpenAPI() []byte { return openAPI }
