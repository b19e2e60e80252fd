package wake_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/lambdas/wake"
	"gakushoku/internal/observe"
)

func TestTheFunctionIsWokenOnceInAWhile(t *testing.T) {
	t.Parallel()
	var got []string
	status := http.StatusAccepted
	lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signed := strings.Contains(r.Header.Get("Authorization"), "/us-east-1/lambda/aws4_request")
		got = append(got, fmt.Sprintf("%s %s %s %s signed %t", r.Method, r.URL.Path, r.Header.Get("X-Amz-Invocation-Type"), body, signed))
		w.WriteHeader(status)
	}))
	defer lambda.Close()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&out, zerolog.InfoLevel, "projector"))
	w := &wake.Waker{
		AWS:      aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), BaseEndpoint: aws.String(lambda.URL + "/")},
		Function: "canteen-process", Every: time.Second, Now: func() time.Time { return now },
	}
	w.Due(ctx, "checkout")
	w.Due(ctx, "checkout")
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
	now, status = now.Add(time.Second), http.StatusTooManyRequests
	w.Due(ctx, "checkout")
	want := `POST /2015-03-31/functions/canteen-process/invocations Event {"woken":true} signed true`
	if diff := cmp.Diff([]string{want, want}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if line := out.String(); !strings.Contains(line, "process:wake") || !strings.Contains(line, "429") || !strings.Contains(line, `"errorClass":"infra"`) {
		t.Errorf("the failure is logged as %s", line)
	}
}
