// Package logbucket opens the S3 bucket of the log, for the functions that use it. The other functions do
// not contain the S3 client.
package logbucket

import (
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/store/s3"
)

// Open returns the bucket that the configuration names.
func Open(s *lambdas.System) (*s3.Blobs, error) {
	name, err := lambdas.Required(lambdas.EnvLogBucket, s.Config.LogBucket, "the bucket of the log")
	if err != nil {
		return nil, err
	}
	return s3.NewBlobs(awss3.NewFromConfig(s.AWS, lambdas.Options(s, s3.Bounded, s3.Traced)...), name), nil
}
