package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"gakushoku/internal/app/lambdas"
)

// root is the repository, seen from this package.
const root = "../../.."

// TestAStackHasTheNamesOfTheTemplate keeps the names that tools find a stack by the ones that
// are deployed.
func TestAStackHasTheNamesOfTheTemplate(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := newDeployed(Cloud{Config: aws.Config{Region: "eu-central-1"}, Account: "123456789012", Partition: "aws"}, "canteen")
	c := s.config
	replacer := strings.NewReplacer("${AWS::StackName}", "canteen", "${AWS::AccountId}", "123456789012", "${AWS::Region}", "eu-central-1", "${AWS::Partition}", "aws")
	template := replacer.Replace(string(raw))
	for _, want := range []string{
		`TableName: !Sub "` + c.EventTable + `"`, `TableName: !Sub "` + c.ControlTable + `"`, `READ_MODEL_PREFIX: !Sub "` + c.ReadModelPrefix + `"`,
		`BucketName: !Sub "` + c.LogBucket + `"`, `STATE_MACHINE_ARN: !Sub "` + c.StateMachineARN + `"`, `Name: !Sub "canteen-reproject"`,
	} {
		if !strings.Contains(template, want) {
			t.Errorf("template.yaml has no %s", want)
		}
	}
	if s.Settings.PointerTTL != lambdas.MaxPointerTTL || s.Blobs == nil || s.Ledger == nil || s.Machine == nil {
		t.Errorf("%+v", s)
	}
}

func TestThePartitionIsReadFromAnARN(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		"arn:aws:iam::123456789012:user/ops": "aws", "arn:aws-cn:sts::123456789012:assumed-role/ops/x": "aws-cn", "": "aws", "arn": "aws", "arn::x": "aws",
	} {
		if got := partitionOf(arn); got != want {
			t.Errorf("%q: %q, want %q", arn, got, want)
		}
	}
}
