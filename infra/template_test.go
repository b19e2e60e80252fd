package infra_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const template = "../template.yaml"

// statement is a statement of a role's policy.
type statement struct {
	role, sid         string
	actions, patterns []string
	leadingKeys       []string // nil when any key will do
}

// statements are those of all roles that let somebody do something.
func statements(t *testing.T) []statement {
	t.Helper()
	var found []statement
	for _, role := range ofType(resources(t, template), "AWS::IAM::Role") {
		policies, _ := role.Properties["Policies"].([]any)
		for _, p := range policies {
			document, _ := p.(properties)["PolicyDocument"].(properties)
			all, _ := document["Statement"].([]any)
			for _, one := range all {
				s, _ := one.(properties)
				sid, _ := s["Sid"].(string)
				found = append(found, statement{role.ID, sid, texts(s["Action"]), texts(s["Resource"]), keysOf(s)})
			}
		}
	}
	return found
}

func keysOf(s properties) []string {
	condition, _ := s["Condition"].(properties)
	like, _ := condition["ForAllValues:StringLike"].(properties)
	return texts(like["dynamodb:LeadingKeys"])
}

// texts is a text, or a list of them, as a list.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	var all []string
	for _, one := range list {
		all = append(all, fmt.Sprint(one))
	}
	return all
}

// What a pattern fixes behind the stack's name needs a character that no stack's name has, before
// anything is left open: or else it reaches a stack whose name begins alike, canteen-view-2 beside
// canteen.
func TestNoRoleReachesAStackWhoseNameBeginsAlike(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[-a-zA-Z0-9]*$`)
	for _, s := range statements(t) {
		for _, pattern := range s.patterns {
			_, behind, ok := strings.Cut(pattern, "${AWS::StackName}")
			fixed, _, open := strings.Cut(behind, "*")
			if ok && open && name.MatchString(fixed) {
				t.Errorf("%s, %s: %s reaches other stacks", s.role, s.sid, pattern)
			}
		}
	}
}

// The control table holds pointers, checkpoints and the log's records: who has to do with one kind
// cannot touch the others.
func TestWhoTouchesTheControlTableMaySayWhichItems(t *testing.T) {
	t.Parallel()
	roles := map[string][]string{}
	for _, s := range statements(t) {
		if slices.Contains(s.patterns, "${ControlTable.Arn}") {
			if s.leadingKeys == nil || slices.Contains(s.leadingKeys, "*") {
				t.Errorf("%s, %s: every item of the control table", s.role, s.sid)
			}
			roles[s.role] = s.leadingKeys
		}
	}
	for role, forbidden := range map[string]string{"QueryRole": "checkpoint#*", "ProjectorRole": "log#*", "HealthRole": "log#*", "ArchiverRole": "pointer#*", "ReprojectRole": "checkpoint#*"} {
		if keys := roles[role]; keys == nil || slices.Contains(keys, forbidden) {
			t.Errorf("%s touches %v: want some, and not %s", role, keys, forbidden)
		}
	}
}

func TestNoFunctionCanChangeOrRemoveEvents(t *testing.T) {
	t.Parallel()
	for _, s := range statements(t) {
		if !slices.Contains(s.patterns, "${EventTable.Arn}") {
			continue
		}
		allowed := []string{"dynamodb:Query", "dynamodb:Scan"}
		if s.role == "CommandRole" || s.role == "ProcessRole" {
			allowed = append(allowed, "dynamodb:PutItem")
		}
		for _, action := range s.actions {
			if !slices.Contains(allowed, action) {
				t.Errorf("%s, %s: %s on the event table", s.role, s.sid, action)
			}
		}
	}
}

func TestWhatIsKeptIsKeptFromDeletion(t *testing.T) {
	t.Parallel()
	all := resources(t, template)
	for _, table := range ofType(all, "AWS::DynamoDB::Table") {
		if table.Properties["DeletionProtectionEnabled"] != "true" {
			t.Errorf("%s can be deleted by one call", table.ID)
		}
	}
	lock := fmt.Sprint(all["LogBucket"].Properties["ObjectLockConfiguration"])
	if !strings.Contains(lock, "${LogLockDays}") || !strings.Contains(lock, "${LogLockMode}") {
		t.Errorf("the log's bucket has no Object Lock to be chosen: %s", lock)
	}
}

// The stream has two readers. Of these the archiver sees whatever was done to stored events.
func TestTheArchiverSeesEveryChangeOfTheEventTable(t *testing.T) {
	t.Parallel()
	all := resources(t, template)
	if filter, ok := all["ArchiverFunctionEvents"].Properties["FilterCriteria"]; ok {
		t.Errorf("changes are kept from the archiver: %v", filter)
	}
	readers := 0
	for _, mapping := range ofType(all, "AWS::Lambda::EventSourceMapping") {
		if mapping.Properties["EventSourceArn"] == "${EventTable.StreamArn}" {
			readers++
		}
	}
	if readers != 2 {
		t.Errorf("the stream has %d readers: a shard serves two", readers)
	}
}

func TestReadersOfTheStreamAreNotStarvedByGuests(t *testing.T) {
	t.Parallel()
	for id, parameter := range map[string]string{"ProjectorFunction": "${ProjectorConcurrency}", "ArchiverFunction": "${ArchiverConcurrency}"} {
		if kept := texts(resources(t, template)[id].Properties["ReservedConcurrentExecutions"]); !slices.Contains(kept, parameter) {
			t.Errorf("%s has %v kept free, want %s", id, kept, parameter)
		}
	}
}

func TestTheAccessLogSaysWhoAskedAndInWhichOperation(t *testing.T) {
	t.Parallel()
	settings, _ := resources(t, template)["Api"].Properties["AccessLogSetting"].(properties)
	var line map[string]string
	if err := json.Unmarshal([]byte(fmt.Sprint(settings["Format"])), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"ip": "$context.identity.sourceIp", "correlationId": "$context.requestId", "function_request_id": "$context.integration.requestId",
	} {
		if line[key] != want {
			t.Errorf("%s is %q, want %q", key, line[key], want)
		}
	}
}

// A schedule nobody waits for fails unseen, unless it leaves something behind.
func TestAFailedHealthCheckLeavesSomethingBehind(t *testing.T) {
	t.Parallel()
	all := resources(t, template)
	kept, _ := all["HealthFunctionInvocations"].Properties["DestinationConfig"].(properties)
	if failure, _ := kept["OnFailure"].(properties); failure["Destination"] != "${HealthScheduleFailures.Arn}" {
		t.Errorf("an invocation that fails goes to %v", kept)
	}
	for id, r := range all {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		events, _ := r.Properties["Events"].(properties)
		for name, e := range events {
			if said := fmt.Sprint(e); strings.Contains(said, "Type:Schedule") && !strings.Contains(said, "DeadLetterConfig") {
				t.Errorf("%s of %s is lost when it cannot be delivered", name, id)
			}
		}
	}
}
