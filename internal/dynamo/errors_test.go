package dynamo

import (
	"net"
	"testing"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gakushoku/internal/fault"
)

func TestAStoreThatCannotBeReachedIsInfra(t *testing.T) {
	t.Parallel()
	unknown := &net.DNSError{Err: "no such host", Name: "dynamodb.invalid", IsNotFound: true}
	err := wrap(t.Context(), "loading order-o1", &smithyhttp.RequestSendError{Err: unknown})
	if fault.ClassOf(err) != fault.Infra {
		t.Errorf("%v is %s, want infra", err, fault.ClassOf(err))
	}
}
