// Package api serves the HTTP interface behind API Gateway, for the functions that serve parts of it.
package api

import (
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/lambdaevent"
)

// Handler is a Lambda handler behind API Gateway.
type Handler = lambdas.Handler[events.APIGatewayProxyRequest, events.APIGatewayProxyResponse]

// keysFresh is how long a revoked device key may still be accepted.
const keysFresh = 3 * time.Second

// Serve returns the handler of the parts that c selects, for callers who may use them.
func Serve(s *lambdas.System, c httpapi.Config) (Handler, error) {
	set := s.Config.Callers
	provider, err := callers.Settings{
		Issuer: set.Issuer, Audience: set.Audience, KeySet: set.KeySet, RoleClaim: set.RoleClaim, RoleNames: set.RoleNames,
	}.Provider()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s, %s, %s, %s: %w", lambdas.EnvIssuer, lambdas.EnvAudience, lambdas.EnvKeySet, lambdas.EnvRoleNames, err)
	case provider == nil && !set.Everybody:
		return nil, fmt.Errorf("%s is not set: it names whose tokens are accepted; %s=true serves everybody", lambdas.EnvIssuer, lambdas.EnvAllowAnonymous)
	}
	err = callers.Apply(&c, s.Control, callers.Options{Provider: provider, NoGuests: set.NoGuests, Everybody: set.Everybody, Fresh: keysFresh})
	if err != nil {
		return nil, err
	}
	return Public(s, c)
}

// Public returns the handler of parts that are for everybody.
func Public(s *lambdas.System, c httpapi.Config) (Handler, error) {
	c.Logger, c.Metrics = s.Logger, s.Telemetry.Metrics()
	h, err := httpapi.New(c)
	if err != nil {
		return nil, err
	}
	return lambdaevent.HTTP(h, s.Logger), nil
}
