// Package cloud finds the region, the credentials and the endpoint of AWS where AWS's own tools find them, for
// programs that people start.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"gakushoku/internal/store/awsfault"
)

// credentialsLimit bounds the search for credentials. They may come from a metadata service, which does not
// respond on most machines.
const credentialsLimit = 5 * time.Second

// The limits of one call.
const (
	callAttempts = 4
	callBackoff  = time.Second
	callTimeout  = 10 * time.Second
)

// Find returns the configuration for calls of AWS. If something is missing, it fails within seconds, and says
// what to set.
func Find(ctx context.Context) (aws.Config, error) {
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
