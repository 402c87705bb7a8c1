package docs

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/aws"
)

var update = flag.Bool("update", false, "write the policy in permissions.md anew")

// The policy in docs/permissions.md allows what the program calls, and what
// Cloud Control calls in its name by the schemas of the types that a cluster
// with self-managed node groups consists of.
func TestPolicyAllowsWhatIsCalled(t *testing.T) {
	const page = "permissions.md"
	policy := policyOf(statement{"DroverItself", called(t)}, statement{"CloudControlInItsName", handled(t)})
	before, rest, _ := strings.Cut(read(t, page), "```json\n")
	_, after, _ := strings.Cut(rest, "```\n")
	want := before + "```json\n" + policy + "```\n" + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, page) != want {
		t.Error("the policy in docs/permissions.md is not what is called (make update)")
	}
	if size := len(strings.Join(strings.Fields(policy), "")); size > 6144 {
		t.Errorf("the policy has %d characters; IAM takes 6,144 (white space not counted)", size)
	}
}

type statement struct {
	name    string
	actions []string
}

func policyOf(statements ...statement) string {
	var parts []string
	seen := map[string]bool{}
	for _, s := range statements {
		fresh := slices.DeleteFunc(slices.Clone(s.actions), func(a string) bool { return seen[a] || covered(a, s.actions) })
		for _, a := range fresh {
			seen[a] = true
		}
		parts = append(parts, fmt.Sprintf("    {\n      \"Sid\": %q,\n      \"Effect\": \"Allow\",\n      \"Resource\": \"*\",\n      \"Action\": [\n        %s\n      ]\n    }",
			s.name, quotedLines(fresh)))
	}
	return "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n" + strings.Join(parts, ",\n") + "\n  ]\n}\n"
}

// covered reports that another action, with a wildcard, allows this one as well.
func covered(action string, by []string) bool {
	return slices.ContainsFunc(by, func(w string) bool {
		begin, wild := strings.CutSuffix(w, "*")
		return wild && w != action && strings.HasPrefix(action, begin)
	})
}

// quotedLines writes actions in lines, those of one service together.
func quotedLines(actions []string) string {
	var b strings.Builder
	service := ""
	for i, a := range actions {
		of, _, _ := strings.Cut(a, ":")
		switch {
		case i == 0:
		case of != service:
			b.WriteString(",\n        ")
		default:
			b.WriteString(", ")
		}
		service = of
		fmt.Fprintf(&b, "%q", a)
	}
	return b.String()
}

var (
	service = regexp.MustCompile(`aws-sdk-go-v2/service/([a-z0-9]+)"`)
	input   = regexp.MustCompile(`\b([a-z0-9]+)\.([A-Z][A-Za-z]+)Input\b`)
)

// folded stand for actions that both kinds of load balancers have by names of their
// own: a policy has room for so many characters.
var folded = []string{"elasticloadbalancing:Deregister*", "elasticloadbalancing:Register*"}

// called are the actions of the calls in the program's text.
func called(t *testing.T) []string {
	t.Helper()
	text := program(t)
	used := map[string]bool{}
	for _, m := range service.FindAllStringSubmatch(text, -1) {
		if used[m[1]] = true; aws.Prefixes[m[1]] == "" {
			t.Fatalf("the program uses the SDK of %s: say in aws.Prefixes what IAM calls it", m[1])
		}
	}
	var actions []string
	for _, m := range input.FindAllStringSubmatch(text, -1) {
		if used[m[1]] {
			actions = append(actions, aws.Prefixes[m[1]]+":"+m[2])
		}
	}
	return sorted(append(actions, folded...))
}

// handled are the actions that Cloud Control needs for the types: their schemas
// list them.
func handled(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../sandbox/internal/aws/cloudcontrol/schemas/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	var actions []string
	for _, file := range files {
		if strings.HasSuffix(file, "aws-kms-key.json") {
			continue // no section of the stack file makes one: under resources it needs its own
		}
		var schema struct {
			Handlers map[string]struct{ Permissions []string }
		}
		if err := json.Unmarshal([]byte(read(t, file)), &schema); err != nil {
			t.Fatal(err)
		}
		for _, h := range schema.Handlers {
			actions = append(actions, h.Permissions...)
		}
	}
	return sorted(actions)
}

func sorted(actions []string) []string {
	slices.Sort(actions)
	return slices.Compact(actions)
}
