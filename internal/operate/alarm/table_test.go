package alarm_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/observe/telemetry/emf"
	"gakushoku/internal/operate/alarm"
)

func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	parts := map[string]bool{}
	seen := map[string]bool{}
	for _, c := range alarm.All() {
		for _, name := range c.AnyOf {
			parts[name] = true
		}
	}
	for _, c := range alarm.All() {
		t.Run(c.Name, func(t *testing.T) {
			if seen[c.Name] || !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(c.Name) {
				t.Error("the name is taken, or no name")
			}
			seen[c.Name] = true
			if !slices.Contains([]alarm.Class{alarm.Critical, alarm.Warning, alarm.Info}, c.Class) {
				t.Errorf("class %q", c.Class)
			}
			if !strings.HasSuffix(c.Meaning, ".") && !strings.HasSuffix(c.Meaning, "?") || !strings.HasSuffix(c.Runbook, ".md") {
				t.Errorf("it does not say what it means, or what to do: %q, %q", c.Meaning, c.Runbook)
			}
			// CloudWatch takes 1024 characters.
			if d := c.Description(); len(d) > 1024 || !strings.HasSuffix(d, "infra/runbooks/"+c.Runbook) {
				t.Errorf("description of %d characters: %s", len(d), d)
			}
			if c.Part != parts[c.Name] {
				t.Errorf("part is %v, but others name it: %v", c.Part, parts[c.Name])
			}
			if !c.OnAWS() && !c.Embedded() {
				t.Error("nobody can watch it")
			}
			if len(c.AnyOf) > 0 || c.Event.Source != "" {
				return
			}
			if c.Period <= 0 || c.Datapoints < 1 || c.Datapoints > c.Periods || c.Why == "" || c.Missing == "" || c.Compare == "" {
				t.Errorf("%+v", c)
			}
			checkTerms(t, c.Value)
		})
	}
	for name := range parts {
		if _, ok := alarm.Find(name); !ok {
			t.Errorf("there is no condition %s", name)
		}
	}
}

func checkTerms(t *testing.T, v alarm.Value) {
	t.Helper()
	if len(v.Terms) == 0 || (v.Form == alarm.Single) != (len(v.Terms) == 1) {
		t.Errorf("form %v with %d terms", v.Form, len(v.Terms))
	}
	ids := map[string]bool{}
	for _, term := range v.Terms {
		if ids[term.ID] || !regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`).MatchString(term.ID) {
			t.Errorf("id %q", term.ID)
		}
		ids[term.ID] = true
		if m := term.Metric; m.Name != "" && (m.Namespace == "" || m.Statistic == "" || len(m.Dimensions) == 0) {
			t.Errorf("metric %+v", m)
		}
	}
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"commands-failing":  "(FILL(infra, 0) + FILL(bug, 0)) / commands",
		"log-not-advancing": "IF(appended > 0 AND FILL(archived, 0) == 0, 1, 0)",
		"rebuild-failed":    "FILL(executionsFailed, 0) + FILL(executionsTimedOut, 0) + FILL(executionsAborted, 0)",
	} {
		c, ok := alarm.Find(name)
		if got := c.Value.Expression(); !ok || got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// An alarm on a set of dimensions under which nothing is published never fires.
func TestOurMetricsArePublishedUnderTheseDimensions(t *testing.T) {
	t.Parallel()
	for _, c := range alarm.All() {
		for _, term := range c.Value.Terms {
			if term.Metric.Namespace != alarm.Namespace {
				continue
			}
			var names []string
			for _, d := range term.Metric.Dimensions {
				names = append(names, d.Name)
			}
			if sets := emf.Dimensions[term.Metric.Name]; !slices.ContainsFunc(sets, func(set []string) bool { return slices.Equal(set, names) }) {
				t.Errorf("%s: %s is published under %v, not under %v", c.Name, term.Metric.Name, sets, names)
			}
		}
	}
}
