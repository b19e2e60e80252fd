package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"gakushoku/internal/store/awsfault"
)

// How long an operator's tool waits for its prerequisites. Credentials may come from a metadata service,
// which does not respond on most machines.
const (
	credentialsLimit = 5 * time.Second
	identityLimit    = 10 * time.Second
)

// The limits of one call of an operator's tool.
const (
	callAttempts = 4
	callBackoff  = time.Second
	callTimeout  = 10 * time.Second
)

// Cloud is the account and region that an operator's tool works in.
type Cloud struct {
	aws.Config
	Account   string
	Partition string // the AWS partition, such as aws or aws-cn
}

// OpenCloud finds region, credentials and endpoint where AWS's own tools find them, and asks AWS whose
// credentials they are. If something is missing or wrong, it fails within seconds, and says what to set.
func OpenCloud(ctx context.Context) (Cloud, error) {
	found, err := findCloud(ctx)
	if err != nil {
		return Cloud{}, err
	}
	me, err := identify(ctx, found)
	if err != nil {
		return Cloud{}, err
	}
	return Cloud{Config: found, Account: aws.ToString(me.Account), Partition: partitionOf(aws.ToString(me.Arn))}, nil
}

func findCloud(ctx context.Context) (aws.Config, error) {
	limited, cancel := context.WithTimeout(ctx, credentialsLimit)
	defer cancel()
	cloud, err := config.LoadDefaultConfig(limited, config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer { return awsfault.Retryer(callAttempts, callBackoff) }),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(callTimeout)))
	if err != nil {
		return cloud, fmt.Errorf("reading the AWS configuration: %w: correct it, or choose another profile with AWS_PROFILE", err)
	}
	if cloud.Region == "" {
		return cloud, errors.New("no AWS region is set: set AWS_REGION, or the region of the profile (aws configure)")
	}
	_, err = cloud.Credentials.Retrieve(limited)
	if ctx.Err() != nil {
		return cloud, ctx.Err()
	}
	if err != nil {
		return cloud, noCredentials(err)
	}
	return cloud, nil
}

// noCredentials says what to do. It only includes the cause if configured credentials failed. Otherwise the
// cause is about the last place tried, the metadata service of EC2, which is rarely meant.
func noCredentials(err error) error {
	advice := "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in (aws sso login)"
	if strings.Contains(err.Error(), "ec2imds") {
		return errors.New(advice)
	}
	return fmt.Errorf("%s: %w", advice, err)
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
