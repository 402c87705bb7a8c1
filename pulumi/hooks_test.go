package drover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// cluster is package move as the hooks see it, and what was asked of it.
type cluster struct {
	report  move.Report
	absent  bool // it has no nodes of the group
	kept    bool // it keeps a record of the group
	fails   error
	asked   []string
	config  string // what lay in the kubeconfig
	looked  move.Options
	ran     move.Options
	dropped move.Recovery
}

func (c *cluster) note(what string, o move.Options) {
	c.asked = append(c.asked, fmt.Sprintf("%s %v", what, o.From))
	if text, err := os.ReadFile(o.Kubeconfig); err == nil {
		c.config = string(text)
	}
}

// Check looks.
func (c *cluster) Check(_ context.Context, o move.Options) (move.Report, error) {
	c.note("check", o)
	c.looked = o
	if c.absent {
		return move.Report{}, &problem.Error{Kind: problem.Usage, Err: move.ErrNoNodes}
	}
	return c.report, nil
}

// Run moves.
func (c *cluster) Run(ctx context.Context, o move.Options) error {
	c.note("run", o)
	c.ran = o
	return errors.Join(ctx.Err(), c.fails)
}

// Ready waits.
func (c *cluster) Ready(_ context.Context, _ move.Access, groups []move.Set, _ func(string)) error {
	c.asked = append(c.asked, fmt.Sprintf("ready %v", groups))
	return nil
}

// Find finds a move.
func (c *cluster) Find(_ context.Context, _ move.Access, name string) (move.Move, error) {
	if !c.kept {
		return move.Move{}, errors.New("there is none")
	}
	return move.Move{Name: name, State: move.Kept}, nil
}

// Recover drops a record.
func (c *cluster) Recover(_ context.Context, r move.Recovery) error {
	c.dropped = r
	return nil
}

// mocks are a Pulumi engine that makes nothing, and what it was asked to register.
type mocks struct{ registered []pulumi.MockResourceArgs }

// Call answers nothing.
func (m *mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

// NewResource takes note.
func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.registered = append(m.registered, args)
	return args.Name, args.Inputs, nil
}

// program runs a scene as a Pulumi program with Protect in it.
func program(t *testing.T, o Options, c *cluster, scene func(p *protector)) {
	t.Helper()
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		scene(newProtector(ctx, o, c))
		return nil
	}, pulumi.WithMocks("shop", "dev", &mocks{}))
	if err != nil {
		t.Fatal(err)
	}
}

func args(typ, id string) *pulumi.ResourceHookArgs {
	return &pulumi.ResourceHookArgs{ID: pulumi.ID(id), Name: "web", Type: tokens.Type(typ)}
}

func wants(t *testing.T, c *cluster, asked ...string) {
	t.Helper()
	if got, want := strings.Join(c.asked, "; "), strings.Join(asked, "; "); got != want {
		t.Errorf("asked: %s\nwant:  %s", got, want)
	}
}

// An inline program of the Automation API has ended when Pulumi deletes: its context
// is no more, and its log is closed. The hand-over runs all the same, and is heard of.
func TestProgramHasEnded(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	of, err := pulumi.NewContext(ctx, pulumi.RunInfo{Project: "shop", Stack: "dev", Mocks: &mocks{}})
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{}
	p := newProtector(of, Options{}, c)
	var aside strings.Builder
	p.tell = teller{closed{}, &aside}
	end()
	if err := p.beforeDelete(args(native, "web-1")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(aside.String(), "hand over web") {
		t.Errorf("told: %q", aside.String())
	}
}

// Whoever presses Ctrl-C is not asked to report it.
func TestInterrupted(t *testing.T) {
	c := &cluster{fails: fmt.Errorf("hand over web: interrupted: %w", context.Canceled)}
	program(t, Options{}, c, func(p *protector) {
		if err := p.beforeDelete(args(native, "web-1")); err == nil || !strings.Contains(err.Error(), "run the same command again") {
			t.Error(err)
		}
	})
}

// closed is the log of a program that has ended.
type closed struct{ pulumi.Log }

var errClosed = errors.New("the connection is closing")

// Info cannot.
func (closed) Info(string, *pulumi.LogArgs) error { return errClosed }

// Warn cannot.
func (closed) Warn(string, *pulumi.LogArgs) error { return errClosed }

// A replaced group is handed over to the one that was made in its place, once the
// nodes of that are there.
func TestDeleteHandsOver(t *testing.T) {
	c := &cluster{}
	program(t, Options{Guards: []move.Guard{{URL: "http://shop"}}}, c, func(p *protector) {
		made := args(native, "web-2")
		if err := errors.Join(p.beforeCreate(args(native, "")), p.afterCreate(made), p.beforeDelete(args(native, "web-1"))); err != nil {
			t.Error(err)
		}
	})
	wants(t, c, "ready [asg/web-2]", "run [asg/web-1]")
	if c.ran.Then != move.Empty || len(c.ran.To) != 1 || len(c.ran.Guards) != 1 {
		t.Errorf("%+v", c.ran)
	}
}

// A hand-over that stops is an error of the hook, so that Pulumi does not delete;
// and it says what to do.
func TestFailureStopsTheDelete(t *testing.T) {
	c := &cluster{fails: &problem.Error{Kind: problem.Parked, Op: "hand over web-1", Err: errors.New("it is parked"), Fix: "look at it"}}
	program(t, Options{}, c, func(p *protector) {
		err := p.beforeDelete(args(native, "web-1"))
		if err == nil || !strings.Contains(err.Error(), "it is parked") || !strings.Contains(err.Error(), "look at it") {
			t.Error(err)
		}
	})
}

// A preview looks and changes nothing. It counts on the nodes that will be made.
func TestPreview(t *testing.T) {
	c := &cluster{report: move.Report{Findings: []event.Finding{{Severity: event.Warning, Object: "deployment/apps/web", Effect: "it is alone"}}}}
	program(t, Options{}, c, func(p *protector) {
		p.dryRun = true
		create := args(native, "")
		create.NewInputs = sizes("3", "5")
		if err := errors.Join(p.beforeCreate(create), p.beforeDelete(args(native, "web-1"))); err != nil {
			t.Error(err)
		}
		wants(t, c, "check [asg/web-1]")
		if len(c.looked.Fresh) != 1 || c.looked.Fresh[0].Nodes != 3 {
			t.Errorf("%+v", c.looked.Fresh)
		}
		c.report.Findings = append(c.report.Findings, event.Finding{Severity: event.Blocker, Object: "pod/apps/tool", Effect: "nothing controls it", Fix: "annotate it"})
		if err := p.beforeDelete(args(native, "web-1")); err == nil || !strings.Contains(err.Error(), "nothing controls it") {
			t.Errorf("a blocker: %v", err)
		}
	})
}

// An update that ends nodes hands these over; one that ends none asks for nothing.
func TestUpdate(t *testing.T) {
	update := func(before, after string) *pulumi.ResourceHookArgs {
		a := args(native, "web-1")
		a.OldInputs, a.NewInputs = sizes(before, "9"), sizes(after, "9")
		return a
	}
	c := &cluster{report: move.Report{Nodes: []string{"ip-1"}}}
	program(t, Options{}, c, func(p *protector) {
		if err := p.beforeUpdate(update("3", "2")); err != nil {
			t.Error(err)
		}
	})
	wants(t, c, "check [asg/web-1]", "ready []", "run [asg/web-1]")
	if c.ran.Leave != 2 || c.ran.Then != move.Empty {
		t.Errorf("%+v", c.ran)
	}

	c = &cluster{}
	program(t, Options{}, c, func(p *protector) {
		if err := errors.Join(p.beforeUpdate(update("3", "4")), p.beforeUpdate(update("3", "3"))); err != nil {
			t.Error(err)
		}
	})
	wants(t, c, "check [asg/web-1]")
}

// What would delete before it makes is refused, whether the program says so or
// the provider decides it; a group that an earlier run has replaced is not.
func TestDeleteFirst(t *testing.T) {
	c := &cluster{}
	web := key{native, "web"}
	for name, scene := range map[string]func(p *protector){
		"by the program":  func(p *protector) { p.seen.register(web, true) },
		"by the provider": func(p *protector) { p.seen.register(web, false); p.remember(web, map[string]any{"id": "web-1"}) },
	} {
		program(t, Options{}, c, func(p *protector) {
			scene(p)
			if err := p.beforeDelete(args(native, "web-1")); err == nil || !strings.Contains(err.Error(), "before its replacement") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wants(t, c)
	program(t, Options{}, c, func(p *protector) {
		p.seen.register(web, false)
		p.remember(web, map[string]any{"id": "web-2"})
		if err := p.beforeDelete(args(native, "web-1")); err != nil {
			t.Error(err)
		}
	})
	wants(t, c, "ready [asg/web-2]", "run [asg/web-1]")
}

// A managed group keeps its nodes until EKS deletes it; then its record goes.
func TestManaged(t *testing.T) {
	c := &cluster{kept: true}
	program(t, Options{}, c, func(p *protector) {
		if err := errors.Join(p.beforeDelete(args(managed, "shop|web")), p.afterDelete(args(managed, "shop|web"))); err != nil {
			t.Error(err)
		}
	})
	if c.ran.Then != move.Keep || c.dropped.Name != "nodegroup/web" || !c.dropped.Kept {
		t.Errorf("%+v %+v", c.ran, c.dropped)
	}
}

// A managed group without nodes is deleted if that is no mistake about the cluster.
func TestManagedWithoutNodes(t *testing.T) {
	for name, c := range map[string]struct {
		cluster cluster
		desired int
		refused bool
	}{
		"handed over before": {cluster{absent: true, kept: true}, 3, false},
		"never any":          {cluster{absent: true}, 0, false},
		"another cluster":    {cluster{absent: true}, 3, true},
	} {
		program(t, Options{}, &c.cluster, func(p *protector) {
			a := args(managed, "shop|web")
			a.OldInputs = scaling(c.desired)
			if err := p.beforeDelete(a); (err != nil) != c.refused || !c.refused && c.cluster.ran.From != nil {
				t.Errorf("%s: %v, ran %v", name, err, c.cluster.ran.From)
			}
		})
	}
}

// One run can go without hand-overs, as a destroy has to.
func TestOff(t *testing.T) {
	c := &cluster{}
	program(t, Options{}, c, func(p *protector) {
		p.off = true
		if err := errors.Join(p.beforeDelete(args(native, "web-1")), p.afterDelete(args(managed, "shop|web"))); err != nil {
			t.Error(err)
		}
	})
	wants(t, c)
}

// The kubeconfig of a program lies in a file while it is needed, and no longer.
func TestKubeconfig(t *testing.T) {
	c := &cluster{}
	program(t, Options{Kubeconfig: pulumi.String("a kubeconfig"), Context: "shop"}, c, func(p *protector) {
		if err := p.beforeDelete(args(native, "web-1")); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(c.ran.Kubeconfig); c.config != "a kubeconfig" || c.ran.Context != "shop" || !os.IsNotExist(err) {
		t.Errorf("%q %+v %v", c.config, c.ran.Access, err)
	}
}

// In a preview that makes the cluster nothing can be said, and nothing is asked.
func TestUnknownKubeconfig(t *testing.T) {
	c := &cluster{}
	unknown := pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
	program(t, Options{Kubeconfig: unknown}, c, func(p *protector) {
		p.dryRun = true
		if err := p.beforeDelete(args(native, "web-1")); err != nil {
			t.Error(err)
		}
	})
	wants(t, c)
}
