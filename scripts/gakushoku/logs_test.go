package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// operations are log lines, the oldest first.
var operations = []string{
	`{"level":"warn","correlationId":"c1","orderId":"o1","commandName":"PayOrder","result":"NG","errorClass":"domain","durationMs":1,"timestamp":"2026-01-24T00:00:00.000Z","message":"command:failed"}`,
	`{"level":"info","correlationId":"c1","status":409,"durationMs":3,"timestamp":"2026-01-24T00:00:01.000Z","message":"request:end"}`,
	`{"level":"error","correlationId":"c2","stream":"order-o2","commandName":"PayOrder","result":"NG","errorClass":"infra","durationMs":900,"timestamp":"2026-01-24T00:00:02.000Z","message":"command:failed"}`,
	`{"level":"error","correlationId":"c2","status":503,"durationMs":950,"timestamp":"2026-01-24T00:00:03.000Z","message":"request:end"}`,
	`{"level":"info","correlationId":"r1","runId":"r1","durationMs":5000,"timestamp":"2026-01-24T00:00:04.000Z","message":"reproject:verify"}`,
}

func TestLogsAnswersQuestions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logs", "gakushoku.log"), []byte(strings.Join(operations, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string][]int{
		"--failed": {0, 2}, "--failed --level error": {2}, "--order o1": {0}, "--stream order-o1": {0}, "--order o2": {2}, "--failed --order o2": {2},
		"--slow": {3}, "--slow=2ms": {1, 3}, "--slow=2ms -c c1": {1}, "--question rebuilds": {4}, "-q failed -q slow": nil,
		"--question operation -c c2": {2, 3}, "--question order --order o1": {0},
	} {
		var lines []string
		for _, i := range want {
			lines = append(lines, operations[i])
		}
		got := ok(t, append([]string{"logs", "--json", "-d", dir}, strings.Fields(flags)...)...)
		if wanted := strings.Join(lines, "\n"); strings.TrimSpace(got) != wanted {
			t.Errorf("%s:\n%s\nwant\n%s", flags, got, wanted)
		}
	}
	call(t, "logs", "--json", "--text", "nowhere", "-d", dir).wants(t, exitDone, "No line of the log matches.")
	for question, wants := range map[string][2]string{"operation": {"--correlation-id", "--order"}, "order": {"--stream", "--correlation-id"}} {
		got := call(t, "logs", "-d", dir, "-q", question)
		if got.wants(t, exitUsage, "give it with "+wants[0]); strings.Contains(got.err, wants[1]) {
			t.Errorf("%s is no help: %s", wants[1], got.err)
		}
	}
	contains(t, ok(t, "logs", "--help"), "cold-starts", "What makes the lists late?")
}

// callerIdentity is what STS says of whoever asks.
const callerIdentity = `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/ops</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`

// cloud is a CloudWatch Logs whose queries find lines, the newest first.
func cloud(t *testing.T, lines ...string) (query *string) {
	t.Helper()
	query = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "" {
			io.WriteString(w, callerIdentity)
			return
		}
		var in struct {
			QueryString   string
			LogGroupNames []string
			StartTime     int64
			EndTime       int64
		}
		raw, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(raw, &in); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "StartQuery") {
			*query = fmt.Sprintln(in.LogGroupNames, in.StartTime, in.EndTime, in.QueryString)
			io.WriteString(w, `{"queryId":"q1"}`)
			return
		}
		var results [][]map[string]string
		for _, line := range lines {
			results = append(results, []map[string]string{{"field": "@message", "value": line}})
		}
		json.NewEncoder(w).Encode(map[string]any{"status": "Complete", "results": results})
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
	return query
}

func TestLogsAsksCloudWatch(t *testing.T) {
	query := cloud(t, operations[3], operations[2], operations[0]) // of which one is not asked for
	got := ok(t, "logs", "--aws", "canteen", "--failed", "--level", "warn", "--since", "2026-01-24T00:00:00Z", "--until", "2026-01-24T01:00:00Z", "--last", "50", "--json")
	if want := operations[0] + "\n" + operations[2] + "\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	contains(t, *query, "/aws/lambda/canteen-command", "/aws/lambda/canteen-reproject", " 1769212800 1769216401 ", "\n| filter message = \"command:failed\"\n", "\n| filter level in [\"warn\",", "\n| limit 50\n")
}

func TestLogsReportsCloudWatchLimit(t *testing.T) {
	lines := make([]string, 10_000)
	for i := range lines {
		lines[i] = operations[0]
	}
	query := cloud(t, lines...)
	callWith(t, "", false, "logs", "--aws", "canteen").wants(t, exitDone, "PayOrder", "the newest 10000 lines")
	contains(t, *query, "\n| limit 10000\n")
}

func TestLogsEndsWhereItIsAskedTo(t *testing.T) {
	query := cloud(t)
	ok(t, "logs", "--aws", "canteen", "--until", "2026-01-24T00:00:00Z")
	contains(t, *query, " 1769126400 1769212801 ") // the 24 hours before
}
