package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// cluster is package move as the action sees it, and what it was asked.
type cluster struct {
	report  move.Report
	absent  bool  // it has no nodes of the group
	kept    bool  // it keeps a record of the group
	fails   error // whatever is asked
	stops   error // how a move ends
	checked move.Options
	ran     move.Options
	readied []move.Set
}

// Check looks.
func (c *cluster) Check(_ context.Context, o move.Options) (move.Report, error) {
	c.checked = o
	if c.absent {
		return move.Report{}, &problem.Error{Kind: problem.Usage, Err: move.ErrNoNodes}
	}
	return c.report, c.fails
}

// Run moves.
func (c *cluster) Run(_ context.Context, o move.Options) error {
	c.ran = o
	o.Events.Emit(event.PhaseChanged{Group: "web", To: event.PhaseShift})
	return errors.Join(c.fails, c.stops)
}

// Ready waits.
func (c *cluster) Ready(_ context.Context, _ move.Access, groups []move.Set, _ func(string)) error {
	c.readied = groups
	return nil
}

// Find finds a move.
func (c *cluster) Find(_ context.Context, _ move.Access, name string) (move.Move, error) {
	if !c.kept {
		return move.Move{}, errors.New("there is none")
	}
	return move.Move{Name: name, State: move.Kept}, nil
}

// terraform speaks with the provider as Terraform does, by its protocol.
type terraform struct {
	t      *testing.T
	server tfprotov6.ProviderServer
	config tftypes.Object // type of the action's configuration
}

func speak(t *testing.T, c *cluster) terraform {
	t.Helper()
	server, err := providerserver.NewProtocol6WithError(New("test", c))()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	none(t, schemas.Diagnostics)
	configuration(t, server, schemas.Provider)
	typ, ok := schemas.ActionSchemas["drover_hand_over"].Schema.ValueType().(tftypes.Object)
	if !ok {
		t.Fatal("the configuration of the action is no object")
	}
	return terraform{t, server, typ}
}

// configuration configures the provider with a context.
func configuration(t *testing.T, server tfprotov6.ProviderServer, schema *tfprotov6.Schema) {
	t.Helper()
	value := tftypes.NewValue(schema.ValueType(), map[string]tftypes.Value{"kubeconfig": tftypes.NewValue(tftypes.String, nil), "context": tftypes.NewValue(tftypes.String, "shop")})
	dynamic, err := tfprotov6.NewDynamicValue(schema.ValueType(), value)
	if err != nil {
		t.Fatal(err)
	}
	r, err := server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: &dynamic})
	if err != nil {
		t.Fatal(err)
	}
	none(t, r.Diagnostics)
}

// values are an action's configuration; what is left out is null.
func (f terraform) values(given map[string]tftypes.Value) *tfprotov6.DynamicValue {
	f.t.Helper()
	all := map[string]tftypes.Value{}
	for name, typ := range f.config.AttributeTypes {
		all[name] = tftypes.NewValue(typ, nil)
		if typ.Is(tftypes.List{}) && name == "guard" {
			all[name] = tftypes.NewValue(typ, []tftypes.Value{})
		}
		if v, ok := given[name]; ok {
			all[name] = v
		}
	}
	d, err := tfprotov6.NewDynamicValue(f.config, tftypes.NewValue(f.config, all))
	if err != nil {
		f.t.Fatal(err)
	}
	return &d
}

func text(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

func texts(all ...string) tftypes.Value {
	var values []tftypes.Value
	for _, s := range all {
		values = append(values, text(s))
	}
	return tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, values)
}

func (f terraform) plan(given map[string]tftypes.Value) []*tfprotov6.Diagnostic {
	f.t.Helper()
	r, err := f.server.(tfprotov6.ActionServer).PlanAction(f.t.Context(), &tfprotov6.PlanActionRequest{ActionType: "drover_hand_over", Config: f.values(given)})
	if err != nil {
		f.t.Fatal(err)
	}
	return r.Diagnostics
}

func (f terraform) invoke(given map[string]tftypes.Value) (progress []string, diags []*tfprotov6.Diagnostic) {
	f.t.Helper()
	r, err := f.server.(tfprotov6.ActionServer).InvokeAction(f.t.Context(), &tfprotov6.InvokeActionRequest{ActionType: "drover_hand_over", Config: f.values(given)})
	if err != nil {
		f.t.Fatal(err)
	}
	for e := range r.Events {
		switch e := e.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			progress = append(progress, e.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			diags = e.Diagnostics
		}
	}
	return progress, diags
}

func none(t *testing.T, diags []*tfprotov6.Diagnostic) {
	t.Helper()
	for _, d := range diags {
		t.Errorf("%s: %s\n%s", d.Severity, d.Summary, d.Detail)
	}
}

// found: one of the diagnostics is of the severity and has the words.
func found(diags []*tfprotov6.Diagnostic, severity tfprotov6.DiagnosticSeverity, words string) bool {
	for _, d := range diags {
		if d.Severity == severity && strings.Contains(d.Summary+"\n"+d.Detail, words) {
			return true
		}
	}
	return false
}

// What a configuration says is what package move is asked for.
func TestInvoke(t *testing.T) {
	c := &cluster{}
	f := speak(t, c)
	guards := f.config.AttributeTypes["guard"].(tftypes.List)
	progress, diags := f.invoke(map[string]tftypes.Value{
		"from": texts("nodegroup/web"), "to": texts("nodegroup/web-2"), "then": text("empty"), "soak": text("2m"),
		"guard": tftypes.NewValue(guards, []tftypes.Value{tftypes.NewValue(guards.ElementType, map[string]tftypes.Value{
			"url": text("http://shop"), "host": text("apps.example.com"), "expect": tftypes.NewValue(tftypes.String, nil), "max_errors": tftypes.NewValue(tftypes.Number, 0),
		})}),
	})
	none(t, diags)
	web := move.Set{Kind: move.NodeGroup, Name: "web"}
	if c.ran.From[0] != web || c.ran.Then != move.Empty || c.ran.Soak != 2*time.Minute || c.ran.Context != "shop" || len(c.readied) != 1 {
		t.Errorf("%+v, waited for %v", c.ran, c.readied)
	}
	if len(c.ran.Guards) != 1 || c.ran.Guards[0].Host != "apps.example.com" || *c.ran.Guards[0].MaxErrors != 0 {
		t.Errorf("%+v", c.ran.Guards)
	}
	if len(progress) != 1 || !strings.Contains(progress[0], "shift") {
		t.Errorf("told: %q", progress)
	}
}

// A hand-over that stops is an error, on which Terraform destroys nothing. It says
// what the next apply would do to a group that is being replaced.
func TestFailure(t *testing.T) {
	f := speak(t, &cluster{fails: &problem.Error{Kind: problem.Parked, Op: "hand over web", Err: errors.New("it is parked"), Fix: "look at it"}})
	_, diags := f.invoke(map[string]tftypes.Value{"from": texts("asg/web")})
	for _, words := range []string{"it is parked", "look at it", "drover migrate --from asg/web"} {
		if !found(diags, tfprotov6.DiagnosticSeverityError, words) {
			t.Errorf("nothing is said of %q: %+v", words, diags)
		}
	}
}

// Whoever presses Ctrl-C is not asked to report it.
func TestInterrupted(t *testing.T) {
	_, diags := speak(t, &cluster{fails: fmt.Errorf("hand over web: interrupted: %w", context.Canceled)}).invoke(map[string]tftypes.Value{"from": texts("asg/web")})
	if !found(diags, tfprotov6.DiagnosticSeverityError, "run the same command again") {
		t.Errorf("%+v", diags)
	}
}

// The instances of an Auto Scaling group end by name; a managed group keeps its
// empty nodes until EKS ends them.
func TestThen(t *testing.T) {
	for from, want := range map[string]move.Then{"asg/web": move.Empty, "nodegroup/web": "", "nodes/role=web": ""} {
		c := &cluster{}
		_, diags := speak(t, c).invoke(map[string]tftypes.Value{"from": texts(from)})
		none(t, diags)
		if c.ran.Then != want {
			t.Errorf("%s: then %q, want %q", from, c.ran.Then, want)
		}
	}
}

// A group without nodes was handed over before, or may have none; else it is the
// wrong cluster.
func TestNoNodes(t *testing.T) {
	for _, c := range []struct {
		cluster cluster
		mayBe   bool
		fails   bool
	}{
		{cluster{absent: true, kept: true}, false, false},
		{cluster{absent: true}, true, false},
		{cluster{absent: true}, false, true},
	} {
		_, diags := speak(t, &c.cluster).invoke(map[string]tftypes.Value{"from": texts("nodegroup/web"), "may_be_empty": tftypes.NewValue(tftypes.Bool, c.mayBe)})
		if got := found(diags, tfprotov6.DiagnosticSeverityError, "may_be_empty"); got != c.fails || c.cluster.ran.From != nil {
			t.Errorf("%+v: %+v", c, diags)
		}
	}
}

// A plan tells what would be met, and counts on nodes that the apply makes.
func TestPlan(t *testing.T) {
	c := &cluster{report: move.Report{Findings: []event.Finding{{Severity: event.Warning, Object: "deployment/apps/web", Effect: "it is alone", Fix: "give it a second pod"}}}}
	diags := speak(t, c).plan(map[string]tftypes.Value{"from": texts("asg/web"), "to": texts("asg/web-2"), "new_nodes": tftypes.NewValue(tftypes.Number, 3)})
	if len(diags) != 1 || !found(diags, tfprotov6.DiagnosticSeverityWarning, "give it a second pod") {
		t.Errorf("%+v", diags)
	}
	if len(c.checked.Fresh) != 1 || c.checked.Fresh[0].Nodes != 3 || c.checked.To != nil || c.ran.From != nil {
		t.Errorf("%+v", c.checked)
	}
}

// No plan fails: Terraform would destroy an instance that its configuration has no
// more without the action.
func TestPlanNeverFails(t *testing.T) {
	blocked := move.Report{Findings: []event.Finding{{Severity: event.Blocker, Object: "pod/apps/web", Effect: "nothing controls it"}}}
	for words, c := range map[string]struct {
		cluster cluster
		from    string
	}{
		"This apply will stop": {cluster{report: blocked}, "asg/web"},
		"no route":             {cluster{fails: errors.New("no route to host")}, "asg/web"},
		"nodegroup/web":        {cluster{}, "web"},
	} {
		diags := speak(t, &c.cluster).plan(map[string]tftypes.Value{"from": texts(c.from)})
		if !found(diags, tfprotov6.DiagnosticSeverityWarning, words) || found(diags, tfprotov6.DiagnosticSeverityError, "") {
			t.Errorf("%s: %+v", words, diags)
		}
	}
}

// What Terraform does not know yet is not looked at.
func TestUnknown(t *testing.T) {
	c := &cluster{}
	none(t, speak(t, c).plan(map[string]tftypes.Value{"from": tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, tftypes.UnknownValue)}))
	if c.checked.From != nil {
		t.Errorf("%+v", c.checked)
	}
}

// Nor is it handed over: that is an error, since on success Terraform destroys.
func TestInvokeOfWhatIsNotKnown(t *testing.T) {
	c := &cluster{}
	_, diags := speak(t, c).invoke(map[string]tftypes.Value{"from": texts("asg/web"), "soak": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)})
	if !found(diags, tfprotov6.DiagnosticSeverityError, "Nothing was handed over") || c.ran.From != nil {
		t.Errorf("%+v, ran %+v", diags, c.ran)
	}
}

// All that is wrong with a configuration is told at once.
func TestValidate(t *testing.T) {
	f := speak(t, &cluster{})
	r, err := f.server.(tfprotov6.ActionServer).ValidateActionConfig(t.Context(), &tfprotov6.ValidateActionConfigRequest{
		ActionType: "drover_hand_over", Config: f.values(map[string]tftypes.Value{"from": texts("web"), "then": text("delete"), "soak": text("soon")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"nodegroup/web", "keep or empty", "90s"} {
		if !found(r.Diagnostics, tfprotov6.DiagnosticSeverityError, words) {
			t.Errorf("nothing is said of %q: %+v", words, r.Diagnostics)
		}
	}
}
