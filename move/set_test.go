package move

import (
	"strings"
	"testing"
)

func TestParseSet(t *testing.T) {
	for text, want := range map[string]Set{
		"nodegroup/web":                  {NodeGroup, "web"},
		"asg/eks-web-12/34":              {ASG, "eks-web-12/34"},
		"nodepool/default":               {NodePool, "default"},
		"group/web-2f9a6d1":              {Group, "web-2f9a6d1"},
		"nodes/role=web,tier notin (db)": {Nodes, "role=web,tier notin (db)"},
		"nodes/eks.amazonaws.com/a=b":    {Nodes, "eks.amazonaws.com/a=b"},
		"node/ip-10-0-1-7.ec2.internal":  {Node, "ip-10-0-1-7.ec2.internal"},
	} {
		got, err := ParseSet(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// Each mistake says what is wrong and how it is written right.
func TestParseSetMistakes(t *testing.T) {
	for text, words := range map[string]string{
		"":                "no sets of kind",
		"web":             "nodegroup/web",
		"pool/web":        `no sets of kind "pool"`,
		"nodegroup/":      "no name",
		"nodegroup/a b":   "not one name",
		"asg/a,b":         "not one name",
		"nodes/":          "selects all nodes",
		"nodes/role in (": "unable to parse",
		"node/UPPER":      "not a node's name",
	} {
		_, err := ParseSet(text)
		if err == nil || !strings.Contains(err.Error(), words) && !strings.Contains(fixOf(err), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever is accepted is written the same way, and read again as the same set.
func FuzzParseSet(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.example)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSet(text)
		if err != nil {
			return
		}
		if again, err := ParseSet(s.String()); err != nil || again != s {
			t.Errorf("%q: %v, then %v (%v)", text, s, again, err)
		}
	})
}
