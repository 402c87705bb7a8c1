package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// fixOf is the remedy that an error names.
func fixOf(err error) string {
	var p *problem.Error
	if errors.As(err, &p) {
		return p.Fix
	}
	return ""
}

// account is an AWS account with these groups of instances.
type account map[string][]string

func (a account) Group(_ context.Context, name string) (handover.Group, error) {
	ids, there := a[name]
	if !there {
		return handover.Group{}, fmt.Errorf("read: %w", handover.ErrNotFound)
	}
	g := handover.Group{Name: name}
	for _, id := range ids {
		g.Instances = append(g.Instances, handover.Instance{ID: id, Lifecycle: "InService"})
	}
	return g, nil
}

func (a account) GroupsOf(_ context.Context, instances []string) (map[string]string, error) {
	of := map[string]string{}
	for name, ids := range a {
		for _, id := range ids {
			if slices.Contains(instances, id) {
				of[id] = name
			}
		}
	}
	return of, nil
}

// land has nodes of every owner.
func land() *handover.View {
	v := handover.NewView()
	put := func(name, instance string, labels ...string) {
		n := &handover.Node{Name: name, Instance: instance, Labels: map[string]string{}}
		for _, l := range labels {
			k, value, _ := strings.Cut(l, "=")
			n.Labels[k] = value
		}
		n.Group = n.Labels[stackLabel]
		v.PutNode(n)
	}
	put("m1", "i-m1", managedLabel+"=web", "role=web")
	put("m2", "i-m2", managedLabel+"=web", "role=web")
	put("k1", "i-k1", poolLabel+"=default", "role=batch")
	put("s1", "i-s1", stackLabel+"=api-2f9a6d1")
	put("s2", "i-s2", stackLabel+"=db-1111111")
	put("s3", "i-s3", stackLabel+"=db-2222222")
	put("e1", "", eksctlLabel+"=old")
	return v
}

var groups = account{"eks-web": {"i-m1", "i-m2"}, "api-2f9a6d1": {"i-s1", "i-s9"}, "else": {"i-x1"}, "db-1111111": {"i-s2"}}

func TestResolve(t *testing.T) {
	for text, want := range map[string]string{
		"nodegroup/web":                "m1 m2 whole eks-web",
		"asg/eks-web":                  "m1 m2 whole eks-web",
		"nodepool/default":             "k1",
		"group/api":                    "s1 of api-2f9a6d1", // an instance of it is no node yet
		"group/db-1111111":             "s2 whole db-1111111",
		"nodes/role":                   "k1 m1 m2 of eks-web",
		"nodes/role=web":               "m1 m2 whole eks-web",
		"node/m2":                      "m2 of eks-web",
		"node/m2 node/m1":              "m1 m2 whole eks-web",
		"node/e1":                      "e1",
		"nodegroup/web node/m1":        "m1 m2 whole eks-web",
		"nodes/eks.amazonaws.com/none": "no such nodes",
		"nodegroup/old":                "nodes/" + eksctlLabel + "=old",
		"nodegroup/wob":                "has nodegroup/web",
		"nodepool/x":                   "has nodepool/default",
		"group/db":                     "db-1111111, db-2222222",
		"asg/none":                     "no such Auto Scaling group",
		"asg/else":                     "is it the right context?",
		"node/m9":                      "kubectl get nodes",
	} {
		var sets []Set
		for _, s := range strings.Fields(text) {
			set, err := ParseSet(s)
			if err != nil {
				t.Fatal(err)
			}
			sets = append(sets, set)
		}
		f, err := resolve(t.Context(), land(), sets, groups, "")
		got := strings.Join(f.nodes, " ")
		switch {
		case err != nil:
			got = err.Error() + "; " + fixOf(err)
		case f.whole != "":
			got += " whole " + f.whole
		case len(f.groups) > 0:
			got += " of " + strings.Join(f.groupNames(), " ")
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Without AWS only those sets are not found that it has to be asked about, and
// all mistakes are told at once.
func TestResolveWithoutAWS(t *testing.T) {
	f, err := resolve(t.Context(), land(), []Set{{NodeGroup, "web"}}, nil, "no credentials")
	if err != nil || len(f.nodes) != 2 || f.whole != "" {
		t.Errorf("%+v, %v", f, err)
	}
	_, err = resolve(t.Context(), land(), []Set{{ASG, "eks-web"}, {Node, "none"}}, nil, "no credentials")
	if text := fmt.Sprint(err); !strings.Contains(text, "no credentials") || !strings.Contains(text, "node/none") {
		t.Error(text)
	}
}

func testClock() time.Time { return time.Unix(0, 0) }

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func (account) Habits(context.Context, string) (handover.Habits, error) {
	return handover.Habits{}, nil
}
