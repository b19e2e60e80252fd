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
)

// TestThePointersTimeIsReadFromTheStack asks a service that answers as CloudFormation does.
func TestThePointersTimeIsReadFromTheStack(t *testing.T) {
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
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	if ttl, err := pointerTTL(t.Context(), "canteen"); err != nil || ttl != 750*time.Millisecond {
		t.Errorf("%s, %v", ttl, err)
	}
	if _, err := pointerTTL(t.Context(), "another"); err == nil {
		t.Error("another stack has it too")
	}
	parameter = "Other"
	if _, err := pointerTTL(t.Context(), "canteen"); err == nil {
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
