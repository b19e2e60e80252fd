//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// onAWS runs a command in an environment where AWS is found only as settings say.
func onAWS(t *testing.T, settings []string, args ...string) outcome {
	t.Helper()
	cmd, temp, stderr := process(t, args...)
	cmd.Env = slices.DeleteFunc(cmd.Env, func(s string) bool { return strings.HasPrefix(s, "AWS_") })
	cmd.Env = append(append(cmd.Env, "HOME="+temp), settings...)
	stdout, _ := cmd.Output() // the exit code tells
	return outcome{cmd.ProcessState.ExitCode(), string(stdout), stderr.String()}
}

const region = "AWS_REGION=eu-central-1"

// keys are settings with credentials, and an endpoint.
func keys(endpoint string) []string {
	return []string{region, "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL=" + endpoint}
}

// endpoint is an endpoint that responds to every call by do.
func endpoint(t *testing.T, do http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(do)
	t.Cleanup(server.Close)
	return server.URL
}

// silentCloud is an endpoint that takes calls and never responds.
func silentCloud(t *testing.T) string {
	return endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // a server notices that the client went away only after the body
		<-r.Context().Done()
	})
}

// nobody is an address where no server listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = listener.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + listener.Addr().String()
}

// emptyAccount is an account without any stack.
func emptyAccount(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") == "" { // STS
		io.WriteString(w, callerIdentity)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	io.WriteString(w, `{"__type":"com.amazonaws#ResourceNotFoundException","message":"Requested resource not found"}`)
}

func expired(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusForbidden)
	io.WriteString(w, `<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>`)
}

func TestWhatIsMissingOnAWSIsSaidWithinSeconds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		says     []string
	}{
		"no region":                             {[]string{"AWS_EC2_METADATA_DISABLED=true"}, []string{"no AWS region", "AWS_REGION"}},
		"no credentials":                        {[]string{region, "AWS_EC2_METADATA_DISABLED=true"}, []string{"no AWS credentials", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"}},
		"a metadata service that is silent":     {[]string{region, "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + silentCloud(t)}, []string{"no AWS credentials", "AWS_PROFILE"}},
		"a profile that is not there":           {[]string{region, "AWS_PROFILE=canteen"}, []string{"canteen", "AWS_PROFILE"}},
		"credentials that have expired":         {keys(endpoint(t, expired)), []string{"does not accept the credentials", "expired", "AWS_PROFILE"}},
		"an endpoint without a server":          {keys(nobody(t)), []string{"the network", "AWS_ENDPOINT_URL"}},
		"an endpoint that is silent":            {keys(silentCloud(t)), []string{"within 10s", "the network", "AWS_ENDPOINT_URL"}},
		"an endpoint that is something else":    {keys(endpoint(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>welcome</html>") })), []string{"AWS_ENDPOINT_URL"}},
		"an endpoint that is something without": {keys(endpoint(t, http.NotFound)), []string{"AWS"}},
		"a stack that is not there":             {keys(endpoint(t, emptyAccount)), []string{"nosuch", "123456789012", "eu-central-1", "AWS_REGION"}},
	} {
		for _, command := range [][]string{{"trace", "abc"}, {"logs", "--last", "1"}} {
			t.Run(name+", "+command[0], func(t *testing.T) {
				t.Parallel()
				got := onAWS(t, c.settings, append(command, "--aws", "nosuch")...)
				if command[0] == "logs" && name == "a stack that is not there" { // it asks for log groups only
					got.wants(t, exitFailed, "nosuch", "AWS_REGION")
					return
				}
				got.wants(t, exitFailed, c.says...)
				if strings.Contains(got.err, "ec2imds") || strings.Count(got.err, "\n") != 1 {
					t.Errorf("more than a line of ours: %s", got.err)
				}
			})
		}
	}
}

func TestEveryAWSCommandReportsMissingStack(t *testing.T) {
	t.Parallel()
	account := endpoint(t, emptyAccount)
	for _, command := range []string{
		"trace abc", "trace --order o1", "slow", "explain orders o1", "events replay --until 2026-01-24T00:00:00Z --out -", "events verify",
		"projection list", "projection status", "projection verify orders", "projection rebuild orders", "projection runs orders",
		"projection approve orders", "projection abandon orders", "projection rollback orders", "projection cleanup orders",
		"projection heal orders --stream order-o1", "projection park list", "process list", "process show o1", "process redrive o1", "process compensate o1", "archive status", "archive stats", "archive verify", "archive restore-manifests", "archive sweep",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			got := onAWS(t, keys(account), append(strings.Fields(command), "--aws", "nosuch")...)
			if got.code == exitDone || !strings.Contains(got.err, "nothing named nosuch is in account 123456789012") {
				t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
			}
		})
	}
}
