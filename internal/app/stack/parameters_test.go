package stack

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// TestPointerTTLIsReadFromStack asks a service that answers as CloudFormation does.
func TestPointerTTLIsReadFromStack(t *testing.T) {
	t.Parallel()
	parameter := "PointerTtl"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "DescribeStacks" || r.FormValue("StackName") != "canteen" {
			http.Error(w, r.Form.Encode(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>canteen</StackName><Parameters>
<member><ParameterKey>LogLevel</ParameterKey><ParameterValue>info</ParameterValue></member>
<member><ParameterKey>%s</ParameterKey><ParameterValue>750ms</ParameterValue></member></Parameters></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, parameter)
	}))
	defer server.Close()
	cloud := aws.Config{BaseEndpoint: &server.URL, Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1}
	if ttl, err := pointerTTL(t.Context(), cloud, "canteen"); err != nil || ttl != 750*time.Millisecond {
		t.Errorf("%s, %v", ttl, err)
	}
	if _, err := pointerTTL(t.Context(), cloud, "another"); err == nil {
		t.Error("another stack has it too")
	}
	parameter = "Other"
	if _, err := pointerTTL(t.Context(), cloud, "canteen"); err == nil {
		t.Error("a stack without the parameter has it")
	}
}

func TestTheTemplateHasTheParameter(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile(filepath.Join("..", "..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "POINTER_TTL: !Ref " + pointerTTLParameter + "\n"; !strings.Contains(string(template), want) {
		t.Errorf("template.yaml has no %s", want)
	}
}
