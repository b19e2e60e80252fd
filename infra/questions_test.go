package infra_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/operate/logs"
)

func TestTheSavedQueriesAreTheQuestions(t *testing.T) {
	t.Parallel()
	var groups []any
	for _, function := range []string{"Command", "Query", "Health", "Projector", "Archiver", "Reproject"} {
		groups = append(groups, "/aws/lambda/${"+function+"Function}")
	}
	want, got := map[string]properties{}, map[string]properties{}
	for _, q := range logs.Questions() {
		want["Asks"+idOf(q.Name)] = properties{"Name": "${Stack}/" + q.Name, "QueryString": q.Saved(), "LogGroupNames": groups}
	}
	for _, r := range ofType(resources(t, observability), "AWS::Logs::QueryDefinition") {
		got[r.ID] = r.Properties
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("internal/operate/logs (-) and infra/observability.yaml (+) differ:\n" + diff)
	}
}
