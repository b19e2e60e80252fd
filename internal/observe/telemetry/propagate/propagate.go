// Package propagate accepts the trace headers that OTEL_PROPAGATORS names, such as b3, jaeger or xray,
// beside W3C's. It is separate from telemetry since only the server has callers with such headers:
// in front of the Lambda functions, API Gateway and X-Ray have joined the trace already.
package propagate

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
)

// Env names the accepted headers, separated by commas; W3C's if it is empty.
const Env = "OTEL_PROPAGATORS"

// Handler returns a handler that passes requests on to next with the trace in W3C's headers.
func Handler(named string, next http.Handler) (http.Handler, error) {
	if named == "" {
		return next, nil
	}
	accepted, err := autoprop.TextMapPropagator(strings.Split(named, ",")...)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", Env, named, err)
	}
	w3c := propagation.TraceContext{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := accepted.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
		headers := r.Header.Clone()
		for _, name := range w3c.Fields() {
			headers.Del(name)
		}
		w3c.Inject(caller, propagation.HeaderCarrier(headers))
		translated := *r
		translated.Header = headers
		next.ServeHTTP(w, &translated)
	}), nil
}
