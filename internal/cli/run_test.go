package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

var onePlan = plan.Plan{Stack: "dev", Project: "shop", Steps: []plan.Step{{
	ID: 1, Op: plan.Create, URN: plan.NewURN("dev", "shop", "AWS::EC2::VPC", "net"), Gen: 1, Name: "net-1", Component: "network/net",
}}}

// seeing is a look that finds a plan and something about it.
func seeing(p plan.Plan, findings ...event.Finding) look {
	return func(_ context.Context, sink event.Sink) (plan.Plan, error) {
		for _, f := range findings {
			sink.Emit(f)
		}
		return p, nil
	}
}

// up stops at a blocker; a pipeline that asks preview first must be told so.
func TestPreviewEndsWith3OnABlocker(t *testing.T) {
	blocker := event.Finding{Severity: event.Blocker, Object: "pod/apps/bare", Effect: "it is gone for good", Fix: "give it a controller"}
	note := event.Finding{Severity: event.Note, Object: "deployment/apps/one", Effect: "one replica"}
	for _, o := range []previewOptions{{}, {JSON: true}, {Detail: true}} {
		env, out, _ := screenOf()
		o.Env = env
		if err := printPreview(context.Background(), o, seeing(onePlan, note, blocker)); kind(err) != problem.Refused {
			t.Errorf("%+v: %v", o, err)
		}
		for _, word := range []string{"pod/apps/bare", "it is gone for good", "give it a controller", "one replica", "net"} {
			if !strings.Contains(out.String(), word) {
				t.Errorf("%+v does not print %q:\n%s", o, word, out)
			}
		}
		if err := printPreview(context.Background(), o, seeing(onePlan, note)); err != nil {
			t.Errorf("without a blocker: %v", err)
		}
	}
}

func TestPreviewJSON(t *testing.T) {
	env, out, _ := screenOf()
	if err := printPreview(context.Background(), previewOptions{Env: env, JSON: true}, seeing(plan.Plan{Stack: "dev"})); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Plan     *plan.Plan
		Findings []event.Finding
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Plan == nil || got.Findings == nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A move that is only shown has no events: it takes no log, before anything is asked.
func TestNothingIsLoggedOfALook(t *testing.T) {
	env, _, _ := screenOf()
	name := filepath.Join(t.TempDir(), "log")
	var p *problem.Error
	if err := runMigrate(t.Context(), migrateOptions{Env: env, PlanOnly: true, Log: name}); !errors.As(err, &p) || p.Kind != problem.Usage || p.Op != "--log" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

// The log of a preview holds what was noticed and the plan.
func TestPreviewLog(t *testing.T) {
	env, _, _ := screenOf()
	name := filepath.Join(t.TempDir(), "log")
	if err := printPreview(context.Background(), previewOptions{Env: env, Log: name}, seeing(onePlan, event.Finding{Severity: event.Note})); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	events, err := jsonl.ReadAll(file)
	if err != nil || len(events) != 2 || events[1].Kind != "planned" {
		t.Errorf("%v: %+v", err, events)
	}
}

// A log that cannot be written whole is an error of its own, with a remedy,
// and does not hide how the run ended.
func TestLogOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	env, _, _ := screenOf()
	o := changeOptions{Env: env, Yes: true, Log: "/dev/full"}
	var p *problem.Error
	err := follow(context.Background(), o, changing(nil), "?")
	if !errors.As(err, &p) || p.Kind != problem.Outside || p.Fix == "" {
		t.Errorf("%v", err)
	}
	err = follow(context.Background(), o, changing(&problem.Error{Kind: problem.Guarded, Err: errors.New("suffers")}), "?")
	if kind(err) != problem.Guarded || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
}

// changing is a change that shows a plan and ends with err.
func changing(err error) change {
	return func(_ context.Context, sink event.Sink, approve project.Approve) error {
		if err := approve(onePlan); err != nil {
			return err
		}
		sink.Emit(event.Planned{Plan: onePlan})
		return err
	}
}

// A person is asked below the plan; nothing happens without a yes.
func TestUpAsks(t *testing.T) {
	for answer, want := range map[string]problem.Kind{"y\n": 0, "yes": 0, "\n": problem.Refused, "no\n": problem.Refused, "": problem.Refused} {
		env, out, _ := screenOf()
		env.Stdin, env.TTY = strings.NewReader(answer), true
		env.Getenv = func(name string) string { return map[string]string{"TERM": "dumb"}[name] }
		if err := follow(context.Background(), changeOptions{Env: env}, changing(nil), "Really?"); kind(err) != want {
			t.Errorf("%q: %v", answer, err)
		}
		if plan, question := strings.Index(out.String(), "vpc/net-1"), strings.Index(out.String(), "Really? [y/N]"); plan < 0 || question < plan {
			t.Errorf("%q:\n%s", answer, out)
		}
	}
	env, _, _ := screenOf()
	if err := follow(context.Background(), changeOptions{Env: env}, changing(nil), "Really?"); kind(err) != problem.Refused {
		t.Errorf("without a terminal: %v", err)
	}
}

// Nobody sits before a silent screen while AWS does not answer; stdout stays clean.
func TestSlowLookIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, out, errs := screenOf()
		slow := func(context.Context, event.Sink) (plan.Plan, error) {
			time.Sleep(100 * time.Second)
			return plan.Plan{}, nil
		}
		if err := printPreview(t.Context(), previewOptions{Env: env, JSON: true}, slow); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(errs.String(), "still reading what exists"); n != 3 || strings.Contains(out.String(), "still") {
			t.Errorf("told %d times in 100 s, want at 10, 30 and 70:\n%s", n, errs)
		}
	})
}

// With --json stdout has events and nothing else.
func TestUpJSON(t *testing.T) {
	env, out, _ := screenOf()
	if err := follow(context.Background(), changeOptions{Env: env, Yes: true, JSON: true}, changing(nil), "?"); err != nil {
		t.Fatal(err)
	}
	if events, err := jsonl.ReadAll(out); err != nil || len(events) != 1 {
		t.Errorf("%v: %d events", err, len(events))
	}
}
