package s3

import (
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/store/awstrace"
)

// Traced records the calls of a client as spans.
func Traced(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, awstrace.Service{Names: names}.Record)
}

// names returns the bucket and the object of a call; keys of the log hold times and numbers, no secrets.
func names(input any) []attribute.KeyValue {
	var bucket, key *string
	switch in := input.(type) {
	case *s3.GetObjectInput:
		bucket, key = in.Bucket, in.Key
	case *s3.PutObjectInput:
		bucket, key = in.Bucket, in.Key
	case *s3.DeleteObjectInput:
		bucket, key = in.Bucket, in.Key
	case *s3.ListObjectsV2Input:
		bucket = in.Bucket
	}
	var noted []attribute.KeyValue
	if bucket != nil {
		noted = append(noted, attribute.String("aws.s3.bucket", *bucket))
	}
	if key != nil {
		noted = append(noted, attribute.String("aws.s3.key", *key))
	}
	return noted
}
