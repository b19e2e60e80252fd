// Package query is the function that serves queries. It writes nothing: a read model that was never set up
// has no rows.
package query

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/edge/httpapi"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (api.Handler, error) {
	return api.Serve(s, httpapi.Config{Parts: httpapi.PartQueries, Queries: s.Ports(s.Control).Queries()})
}
