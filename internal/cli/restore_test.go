package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

func TestRestoreFlags(t *testing.T) {
	env, _, _ := screenOf()
	var got *restoreOptions
	run := func(_ context.Context, o restoreOptions) error { got = &o; return nil }
	if err := parse(newRestore(env, run), "--dry-run", "--json", "--force"); err != nil || !got.DryRun || !got.JSON || !got.Force || got.Elsewhere {
		t.Errorf("%v: %+v", err, got)
	}
	for _, args := range [][]string{{"--context", "c"}, {"--kubeconfig", "f"}} {
		if err := parse(newRestore(env, run), args...); err != nil || !got.Elsewhere || got.Context+got.Kubeconfig == "" {
			t.Errorf("%q: %v: %+v", args, err, got)
		}
	}
	got = nil
	if err := parse(newRoot(env), "restore", "--stack", "dev", "--context", "c"); kind(err) != problem.Usage {
		t.Errorf("a stack and a context: %v", err)
	}
	if err := parse(newRestore(env, run), "now"); err == nil || got != nil {
		t.Errorf("an argument was taken: %v", err)
	}
}

func TestRestorePrints(t *testing.T) {
	node := project.Restored{Object: "node/a", What: "put back"}
	pod := project.Restored{Object: "pod/apps/web-1", What: "give back", Error: "policy x forbids it"}
	dead := &problem.Error{Kind: problem.Outside, Err: errors.New("not all")}
	for name, tt := range map[string]struct {
		o    restoreOptions
		told []project.Restored
		err  error
		want string
	}{
		"nothing": {want: "nothing is left of any hand-over\n"},
		"done":    {told: []project.Restored{node}, want: "node/a: put back\n"},
		"dry run": {o: restoreOptions{DryRun: true}, told: []project.Restored{node}, want: "would do: node/a: put back\n"},
		"failed":  {told: []project.Restored{pod}, err: dead, want: "not done: pod/apps/web-1: give back: policy x forbids it\n"},
		"refused": {err: dead, want: ""},
		"json":    {o: restoreOptions{JSON: true}, told: []project.Restored{node}, want: `{"dryRun":false,"restored":[{"object":"node/a","what":"put back"}]}`},
		"no json": {o: restoreOptions{JSON: true, DryRun: true}, want: `{"dryRun":true,"restored":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			env, out, _ := screenOf()
			tt.o.Env = env
			err := giveBack(tt.o, func(tell func(project.Restored)) error {
				for _, d := range tt.told {
					tell(d)
				}
				return tt.err
			})
			got := out.String()
			if tt.o.JSON {
				got = strings.Join(strings.Fields(got), "")
				tt.want = strings.Join(strings.Fields(tt.want), "")
			}
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
