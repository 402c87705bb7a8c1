package aws

import (
	"reflect"
	"testing"

	"github.com/droverhq/drover/internal/aws/internal/schema"
)

// What only the service sets, what is empty, and tags of AWS and Drover are not declared.
func TestDeclared(t *testing.T) {
	f := schema.Facts{ReadOnly: []string{"Arn", "Rules/*/Id", "Net/Status"}, Tags: "Tags"}
	live := map[string]any{
		"Arn": "arn:x", "Name": "x", "Zero": 0.0, "No": false, "Empty": "", "None": nil, "List": []any{}, "Net": map[string]any{"Status": "on"},
		"Rules": []any{map[string]any{"Id": "1", "Port": 80.0}},
		"Tags":  []any{map[string]any{"Key": "aws:cf", "Value": "1"}, map[string]any{"Key": "drover:urn", "Value": "2"}, map[string]any{"Key": "team", "Value": "web"}},
	}
	want := map[string]any{"Name": "x", "Zero": 0.0, "No": false, "Rules": []any{map[string]any{"Port": 80.0}},
		"Tags": []any{map[string]any{"Key": "team", "Value": "web"}}}
	if got := declared(f, live, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("have %v\nwant %v", got, want)
	}
}
