// Package api serves the HTTP interface behind API Gateway, for the functions that serve parts of it.
package api

import (
	"github.com/aws/aws-lambda-go/events"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/lambdaevent"
)

// Handler is a Lambda handler behind API Gateway.
type Handler = lambdas.Handler[events.APIGatewayProxyRequest, events.APIGatewayProxyResponse]

// Serve returns the handler of the parts that c selects.
func Serve(s *lambdas.System, c httpapi.Config) (Handler, error) {
	c.Logger, c.Metrics = s.Logger, s.Telemetry.Metrics()
	h, err := httpapi.New(c)
	if err != nil {
		return nil, err
	}
	return lambdaevent.HTTP(h, s.Logger), nil
}
