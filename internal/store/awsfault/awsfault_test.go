package awsfault

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gakushoku/internal/fault"
)

// answered is an error that a service answered with.
func answered(status int, code string) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code},
	}}
}

// cutOff is an error of a response that could not be read to its end.
func cutOff(status int, err error) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.DeserializationError{Err: err},
	}}
}

func TestErrorsAreSortedByWhoHasToAct(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		class fault.Class
		after time.Duration
	}{
		"a service that cannot be found": {&smithyhttp.RequestSendError{Err: &net.DNSError{Err: "no such host", Name: "s3.invalid", IsNotFound: true}}, fault.Infra, 0},
		"a throttled table":              {answered(400, "ProvisionedThroughputExceededException"), fault.Infra, ThrottledFor},
		"a bucket that is busy":          {answered(503, "SlowDown"), fault.Infra, ThrottledFor},
		"an internal error":              {answered(500, "InternalError"), fault.Infra, 0},
		"a gateway's answer":             {answered(502, ""), fault.Infra, 0},
		"another call on the same thing": {answered(409, "OperationAborted"), fault.Infra, 0},
		"a time limit of its own":        {context.DeadlineExceeded, fault.Infra, 0},
		"a response that breaks off":     {cutOff(200, io.ErrUnexpectedEOF), fault.Infra, 0},
		"a refusal that breaks off":      {cutOff(400, io.ErrUnexpectedEOF), fault.Infra, 0},
		"a proxy's time limit":           {answered(408, "UnknownError"), fault.Infra, 0},
		"a proxy that is busy":           {answered(429, "UnknownError"), fault.Infra, 0},
		"another region's write":         {answered(400, "ReplicatedWriteConflictException"), fault.Infra, 0},
		"a page of something else":       {answered(404, "UnknownError"), fault.Bug, 0},
		"no permission":                  {answered(403, "AccessDenied"), fault.Bug, 0},
		"a wrong call":                   {answered(400, "ValidationException"), fault.Bug, 0},
		"something else":                 {errors.New("no such field"), fault.Bug, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Wrap(t.Context(), "doing it", test.err)
			if fault.ClassOf(err) != test.class || fault.RetryAfter(err) != test.after || !errors.Is(err, test.err) {
				t.Errorf("%v is %s, after %s; want %s, after %s", err, fault.ClassOf(err), fault.RetryAfter(err), test.class, test.after)
			}
		})
	}
	if Wrap(t.Context(), "doing it", nil) != nil {
		t.Error("nothing became an error")
	}
}

func TestAnEndedContextComesBackAsItIs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Wrap(ctx, "doing it", answered(500, "InternalError")); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestWhatAServiceAnsweredIsRecognised(t *testing.T) {
	t.Parallel()
	err := Wrap(t.Context(), "reading", answered(404, "NoSuchKey"))
	if !HasCode(err, "NotFound", "NoSuchKey") || HasCode(err, "NoSuchBucket") || Status(err) != 404 {
		t.Errorf("%v: status %d", err, Status(err))
	}
	if HasCode(errors.New("x"), "NoSuchKey") || Status(errors.New("x")) != 0 {
		t.Error("an error that no service answered was taken for one")
	}
}
