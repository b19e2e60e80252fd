package httpapi

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

func TestRefusalsAreProblems(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{400: codeMalformed, 431: codeHeaders, 501: codeEncoding, 505: codeProtocol, 417: codeExpectation} {
		log := &logBuffer{}
		ctx := observe.WithLogger(t.Context(), observe.NewLogger(log, zerolog.InfoLevel, "test"))
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(Refusal(ctx, status, "missing required Host header"))), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(response.Body); err != nil {
			t.Fatal(err)
		}
		a := answer{response, body.String()}
		a.want(t, status, code)
		id := a.Header.Get("X-Correlation-Id")
		if !a.Close || a.Header.Get("Content-Type") != "application/problem+json" || !observe.ValidCorrelationID(id) || a.field("correlationId") != id {
			t.Errorf("%d: %v %s", status, a.Header, a.body)
		}
		if lines := log.lines(t, "request:end"); len(lines) != 1 || lines[0]["message"] != "request:end" || lines[0]["correlationId"] != id || lines[0]["code"] != code || lines[0]["errorClass"] != "domain" {
			t.Errorf("%d: %v", status, lines)
		}
	}
}
