package stack

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"gakushoku/internal/app/cloud"
	"gakushoku/internal/store/awsfault"
)

// identityLimit bounds how long AWS may take to say whose credentials these are.
const identityLimit = 10 * time.Second

// Cloud is the account and region that an operator's tool works in.
type Cloud struct {
	aws.Config
	Account   string
	Partition string // the AWS partition, such as aws or aws-cn
}

// OpenCloud finds region, credentials and endpoint where AWS's own tools find them, and asks AWS whose
// credentials they are. If something is missing or wrong, it fails within seconds, and says what to set.
func OpenCloud(ctx context.Context) (Cloud, error) {
	found, err := cloud.Find(ctx)
	if err != nil {
		return Cloud{}, err
	}
	me, err := identify(ctx, found)
	if err != nil {
		return Cloud{}, err
	}
	return Cloud{Config: found, Account: aws.ToString(me.Account), Partition: partitionOf(aws.ToString(me.Arn))}, nil
}

// identify asks AWS whose credentials these are.
func identify(ctx context.Context, cloud aws.Config) (*sts.GetCallerIdentityOutput, error) {
	limited, cancel := context.WithTimeout(ctx, identityLimit)
	defer cancel()
	me, err := sts.NewFromConfig(cloud).GetCallerIdentity(limited, &sts.GetCallerIdentityInput{})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("AWS did not say within %s whose credentials these are: check the network, and %s", identityLimit, endpointOf(cloud))
	case awsfault.Code(err) != "" && awsfault.Status(err) < http.StatusInternalServerError:
		return nil, fmt.Errorf("AWS does not accept the credentials: check AWS_PROFILE, and whether they have expired: %w", err)
	case err != nil:
		return nil, fmt.Errorf("AWS cannot be asked whose credentials these are: check the network, and %s: %w", endpointOf(cloud), err)
	case aws.ToString(me.Account) == "":
		return nil, fmt.Errorf("the response to whose credentials these are is not one of AWS: check %s", endpointOf(cloud))
	}
	return me, nil
}

// partitionOf returns the AWS partition of an ARN.
func partitionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

// endpointOf returns the endpoint of a client's calls.
func endpointOf(cloud aws.Config) string {
	if cloud.BaseEndpoint == nil {
		return fmt.Sprintf("the region %s (AWS_REGION)", cloud.Region)
	}
	return fmt.Sprintf("the endpoint %s (AWS_ENDPOINT_URL)", *cloud.BaseEndpoint)
}
