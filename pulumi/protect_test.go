package drover

import (
	"reflect"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// group is a node group as a provider's SDK has it.
type testGroup struct{ pulumi.CustomResourceState }

// One line binds the hooks to the groups of a program, and has the states of these
// looked at.
func TestProtect(t *testing.T) {
	m := &mocks{}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		if err := Protect(ctx, Options{}); err != nil {
			return err
		}
		for name, typ := range map[string]string{"web": native, "queue": "aws:sqs/queue:Queue"} {
			if err := ctx.RegisterResource(typ, name, pulumi.Map{}, &testGroup{}); err != nil {
				return err
			}
		}
		return nil
	}, pulumi.WithMocks("shop", "dev", m))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.registered {
		if got, want := len(r.RegisterRPC.GetStateMigrations()), map[string]int{"web": 1}[r.Name]; got != want {
			t.Errorf("%s: %d looks at its state, want %d", r.Name, got, want)
		}
	}
}

// The transform takes groups, and of these those that are named.
func TestTransform(t *testing.T) {
	program(t, Options{Groups: []string{"web"}, Name: "shop"}, &cluster{}, func(p *protector) {
		hooks := &pulumi.ResourceHookBinding{BeforeDelete: []*pulumi.ResourceHook{{Name: p.hookName(hookDelete)}}}
		transform := p.transform(hooks)
		for _, c := range []struct {
			args pulumi.ResourceTransformArgs
			want bool
		}{
			{pulumi.ResourceTransformArgs{Custom: true, Type: native, Name: "web"}, true},
			{pulumi.ResourceTransformArgs{Custom: true, Type: native, Name: "other"}, false},
			{pulumi.ResourceTransformArgs{Custom: true, Type: "aws:sqs/queue:Queue", Name: "web"}, false},
			{pulumi.ResourceTransformArgs{Type: native, Name: "web"}, false},
		} {
			got := transform(t.Context(), &c.args)
			if (got != nil) != c.want || got != nil && got.Opts.Hooks.BeforeDelete[0].Name != "drover.dev/hand-over/shop" {
				t.Errorf("%+v: %+v", c.args, got)
			}
		}
	})
}

// An old state gets the hooks once, beside its own; all else of it stays.
func TestCarry(t *testing.T) {
	program(t, Options{}, &cluster{}, func(p *protector) {
		web := key{native, "web"}
		state := map[string]any{"id": "web-1", "outputs": map[string]any{"autoScalingGroupName": "web-one"}, "resourceHooks": map[string]any{"BeforeDelete": []any{"own"}}}
		child := map[string]any{"id": "child"}
		got, err := p.carry(web)(t.Context(), &pulumi.StateMigrationArgs{OldState: []map[string]any{state, child}})
		if err != nil || got == nil {
			t.Fatal(got, err)
		}
		want := map[string]any{"BeforeDelete": []any{"own", hookDelete}, "AfterDelete": []any{hookGone}}
		if !reflect.DeepEqual(got.NewState[0]["resourceHooks"], want) || got.NewState[0]["id"] != "web-1" || len(got.NewState) != 2 {
			t.Errorf("%+v", got.NewState)
		}
		if g := p.seen.of(web); g.stood != "web-1" || g.old.String() != "asg/web-one" {
			t.Errorf("%+v", g)
		}
		again, err := p.carry(web)(t.Context(), &pulumi.StateMigrationArgs{OldState: got.NewState})
		if again != nil || err != nil {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
