package cloudformation

import (
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// computed is a value of a template whose stack is s and has the parameters Name=web,
// Zones=a,b and Empty=.
func computed(t *testing.T, value string) (any, error) {
	t.Helper()
	text := `
Parameters:
  Name: {Type: String}
  Zones: {Type: CommaDelimitedList}
  Empty: {Type: String}
Mappings:
  Sizes: {small: {memory: 2, list: [x, y]}}
Conditions:
  Web: !Equals [!Ref Name, web]
  Never: !And [!Condition Web, !Not [!Condition Web]]
  Either: !Or [!Condition Never, !Condition Web]
  Loop: !Not [!Condition Loop]
Resources:
  R: {Type: AWS::EC2::VPC}
Outputs:
  O: {Value: ` + value + `}
`
	parsed, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	s := &scope{template: parsed, st: &region.State{Region: "us-west-2"}, kind: func(string) (cloudcontrol.Kind, bool) { return cloudcontrol.Kind{}, true },
		stack: &region.Stack{Name: "s", ID: "arn", Parameters: map[string]string{"Name": "web", "Zones": "a, b", "Empty": ""},
			Resources: []*region.StackResource{{LogicalID: "R", PhysicalID: "vpc-1"}}}}
	return s.eval(parsed.Outputs["O"].Value)
}

func TestFunctions(t *testing.T) {
	list := func(v ...any) []any { return v }
	for value, want := range map[string]any{
		"!Ref R":                "vpc-1",
		"!Ref Zones":            list("a", "b"),
		"!Ref AWS::Region":      "us-west-2",
		"!Ref Empty":            "",
		`!Sub "${Name}-${R}"`:   "web-vpc-1",
		`!Sub "${!Name} $HOME"`: "${Name} $HOME",
		`!Sub ["${A}/${Name}", {A: !Join ["", [x, 1]]}]`: "x1/web",
		`!Join ["-", !Ref Zones]`:                        "a-b",
		`!Select [1, !Ref Zones]`:                        "b",
		`!Select ["0", !Split ["/", a/b]]`:               "a",
		"!FindInMap [Sizes, small, memory]":              2.0,
		"!FindInMap [Sizes, small, list]":                list("x", "y"),
		"!Base64 hello":                                  "aGVsbG8=",
		"!If [Web, 1, 2]":                                1.0,
		"!If [Never, 1, !Ref Name]":                      "web",
		"!If [Either, yes-it-is, no]":                    "yes-it-is",
		"[a, !Ref AWS::NoValue, {b: !Ref AWS::NoValue}]": list("a", props{}),
		`!Select [0, !GetAZs ""]`:                        "us-west-2a",
		`{"Fn::Join": [":", [true, {"Ref": "Name"}]]}`:   "true:web",
		"2012-10-17":                                     "2012-10-17",
		"[1.5, true, 0x, '7']":                           list(1.5, true, "0x", "7"),
	} {
		got, err := computed(t, value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, want %#v", value, got, err, want)
		}
	}
}

func TestFunctionsThatAreWrong(t *testing.T) {
	for value, want := range map[string]string{
		"!Select [2, !Ref Zones]":           "Fn::Select cannot select nonexistent value at index 2",
		"!Select [0]":                       "Fn::Select object requires a list of values",
		"!FindInMap [Sizes, large, memory]": "Unable to get mapping for Sizes::large::memory",
		"!If [Nobody, 1, 2]":                "Unresolved condition dependency Nobody",
		"!If [Loop, 1, 2]":                  "Unresolved condition dependency Loop",
		"!If [Web]":                         "Fn::If requires a list argument with three elements",
		"!Ref Nobody":                       "Unresolved resource dependencies [Nobody]",
		"!ImportValue nobody":               "No export named nobody found",
		`!Sub ["${A}", {A: [1]}]`:           "every Fn::Sub object must have a string",
		`!Join ["-", text]`:                 "every Fn::Join object requires two parameters",
	} {
		if got, err := computed(t, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %#v, %v, want %s", value, got, err, want)
		}
	}
}

// A name has room for the entry, whatever the stack is called.
func TestNames(t *testing.T) {
	stack := &region.Stack{Name: strings.Repeat("long-", 20)}
	role, model := &region.StackResource{LogicalID: "NodeInstanceRole", Type: "AWS::IAM::Role"}, props{}
	name(stack, role, model)
	if got := model["RoleName"].(string); len(got) != 64 || !strings.Contains(got, "-NodeInstanceRole-") {
		t.Errorf("%d characters: %s", len(got), got)
	}
	model = props{"RoleName": "mine"}
	if name(stack, role, model); model["RoleName"] != "mine" {
		t.Errorf("%v", model)
	}
}
