package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/internal/demo"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

// screenOf is an environment that keeps what is printed.
func screenOf() (Env, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	return Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Dir: ".", terminal: &terminal{}}, &out, &errs
}

// parse runs a command with those arguments, in quiet.
func parse(cmd *cobra.Command, args ...string) error {
	cmd.SetArgs(append([]string{}, args...)) // never nil, for which the test's own arguments would be taken
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	return cmd.ExecuteContext(context.Background())
}

func kind(err error) problem.Kind { return problem.Kind(problem.Exit(err)) }

func TestUpFlags(t *testing.T) {
	env, _, _ := screenOf()
	for _, verb := range []func(Env, func(context.Context, changeOptions) error) *cobra.Command{newUp, newReturn, newDestroy} {
		var got *changeOptions
		run := func(_ context.Context, o changeOptions) error { got = &o; return nil }
		if err := parse(verb(env, run), "--yes", "--json", "--log", "run.jsonl"); err != nil || !got.Yes || !got.JSON || got.Log != "run.jsonl" {
			t.Errorf("%v: %+v", err, got)
		}
		got = nil
		if err := parse(verb(env, run), "--json"); kind(err) != problem.Usage || got != nil {
			t.Errorf("--json without --yes: %v, ran %v", err, got != nil)
		}
		if err := parse(verb(env, run), "now"); err == nil || got != nil {
			t.Errorf("an argument was taken: %v", err)
		}
	}
}

// Beside a saved plan no flag is taken that a plan is made by: it would be ignored.
// Each choice that the file keeps has such a flag, and so has --expect-no-changes.
func TestFlagsOfASavedPlan(t *testing.T) {
	env, _, _ := screenOf()
	ran := false
	run := func(context.Context, changeOptions) error { ran = true; return errors.New("it ran") }
	kept := 1
	for f := range reflect.TypeFor[project.Choices]().Fields() {
		if f.Tag.Get("json") != "-" {
			kept++
		}
	}
	marked := 0
	tried := trials()["up"]
	newUp(env, run).Flags().VisitAll(func(f *pflag.Flag) {
		if _, is := f.Annotations[ofPlan]; !is {
			return
		}
		marked++
		arg := "--" + f.Name + "=" + tried.sample(f)
		if err := parse(newUp(env, run), "--plan", "plan.json", arg); kind(err) != problem.Usage || !strings.Contains(err.Error(), "--"+f.Name+" is part of") || ran {
			t.Errorf("%s: %v", arg, err)
		}
	})
	if marked != kept {
		t.Errorf("%d flags belong to a plan, whose file has %d choices", marked, kept)
	}
}

// A saved plan brings what it was made by; how it is carried out is up's to say.
func TestSavedPlanKeepsWhatItWasMadeBy(t *testing.T) {
	env, _, _ := screenOf()
	name := filepath.Join(t.TempDir(), "plan.json")
	made := project.Choices{Target: []string{"nodeGroups.web"}, Diff: true, Message: "of the preview", Parallel: 3}
	if err := savePlan(name, made, plan.Plan{}); err != nil {
		t.Fatal(err)
	}
	var got changeOptions
	run := func(_ context.Context, o changeOptions) error { got = o; return nil }
	if err := parse(newUp(env, run), "--plan", name, "--park", "--continue", "-m", "of up"); err != nil {
		t.Fatal(err)
	}
	want := project.Choices{Target: []string{"nodeGroups.web"}, Diff: true, Message: "of up", Park: true, Continue: true}
	if !reflect.DeepEqual(got.Choices, want) {
		t.Errorf("got  %+v\nwant %+v", got.Choices, want)
	}
}

// A plan that a newer drover saved may be narrowed by a choice that this one does
// not know: it is not carried out without it.
func TestSavedPlanWithAChoiceThatIsNotKnownIsRefused(t *testing.T) {
	env, _, _ := screenOf()
	name := filepath.Join(t.TempDir(), "plan.json")
	if err := savePlan(name, project.Choices{}, plan.Plan{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(text, []byte(`"choices": {`), []byte(`"choices": {"onlyOnSundays": true`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(context.Context, changeOptions) error { return errors.New("it ran") }
	if err := parse(newUp(env, run), "--plan", name); kind(err) != problem.Usage || !strings.Contains(err.Error(), "onlyOnSundays") {
		t.Error(err)
	}
}

// The one thing to say about guards on the command line is that they are off.
func TestGuardFlag(t *testing.T) {
	env, _, _ := screenOf()
	var got changeOptions
	run := func(_ context.Context, o changeOptions) error { got = o; return nil }
	if err := parse(newUp(env, run), "--guard", "off"); err != nil || got.Guard != "off" {
		t.Errorf("%v: %+v", err, got)
	}
	if err := parse(newUp(env, run), "--guard", "on"); kind(err) != problem.Usage {
		t.Errorf("--guard on: %v", err)
	}
}

// A guard of a move without a stack takes the keys that one of a stack has.
func TestGuardFlagsOfMigrate(t *testing.T) {
	env, _, _ := screenOf()
	var got migrateOptions
	run := func(_ context.Context, o migrateOptions) error { got = o; return nil }
	args := []string{"--from", "asg/web", "--guard", "http://a", "--guard-method", "POST", "--guard-header", "Accept: text/html", "--guard-header", "X-Shop:1", "--guard-body", "{}"}
	if err := parse(newMigrate(env, run), args...); err != nil || len(got.Move.Guards) != 1 {
		t.Fatalf("%v: %+v", err, got.Move.Guards)
	}
	g := got.Move.Guards[0]
	if g.Method != "POST" || g.Body != "{}" || g.Headers["Accept"] != "text/html" || g.Headers["X-Shop"] != "1" {
		t.Errorf("%+v", g)
	}
	if err := parse(newMigrate(env, run), "--from", "asg/web", "--guard-header", "Accept"); kind(err) != problem.Usage || !strings.Contains(err.Error(), "--guard-header") {
		t.Errorf("a header without a colon: %v", err)
	}
}

func TestPreviewFlags(t *testing.T) {
	env, _, _ := screenOf()
	var got previewOptions
	run := func(_ context.Context, o previewOptions) error { got = o; return nil }
	if err := parse(newPreview(env, run), "--json", "--detail", "--log", "x"); err != nil || !got.JSON || !got.Detail || got.Log != "x" {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestCancelFlags(t *testing.T) {
	env, _, _ := screenOf()
	var got cancelOptions
	run := func(_ context.Context, o cancelOptions) error { got = o; return nil }
	if err := parse(newCancel(env, run), "-y"); err != nil || !got.Yes {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestTokenFlags(t *testing.T) {
	env, _, _ := screenOf()
	var got tokenOptions
	run := func(_ context.Context, o tokenOptions) error { got = o; return nil }
	if err := parse(newToken(env, run), "--cluster", "c", "--region", "r"); err != nil || got.Cluster != "c" || got.Region != "r" {
		t.Errorf("%v: %+v", err, got)
	}
	if err := parse(newToken(env, run)); err == nil {
		t.Error("no cluster was asked for")
	}
}

func TestDemoFlags(t *testing.T) {
	env, _, errs := screenOf()
	env.Self = filepath.Join(t.TempDir(), "drover")
	env.Getenv = func(name string) string { return map[string]string{"DROVER_SANDBOX": "/bin/sh", "HOME": "/h"}[name] }
	var got demo.Options
	run := func(_ context.Context, o demo.Options) error { got = o; return nil }
	if err := parse(newDemo(env, run), "--keep", "--manual", "--requests", "9", "--json"); err != nil {
		t.Fatal(err)
	}
	if !got.Keep || !got.Manual || got.Requests != 9 || got.Out != errs || got.JSON != env.Stdout || got.Dir != "/h/.local/state/drover/demo" {
		t.Errorf("%+v", got)
	}
}

func TestLoadFlags(t *testing.T) {
	env, _, _ := screenOf()
	var got loadOptions
	run := func(_ context.Context, o loadOptions) error { got = o; return nil }
	err := parse(newLoad(env, run), "-c", "3", "-q", "2", "--rate", "120/m", "-z", "5s", "-m", "POST", "-H", "A: b", "-H", "A:c", "-d", "body",
		"-t", "2s", "--host", "h", "--disable-keepalive", "--expect-status", "200,204", "--expect-body", "^ok$", "--record", "r", "--json", "http://x/")
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"connections": got.Connections == 3 && got.PerConn == 2,
		"rate":        got.Options.Rate == 2,
		"duration":    got.Duration == 5*time.Second && got.Requests == 0, // -z alone: as long as it says
		"method":      got.Method == http.MethodPost && got.Host == "h" && got.URL == "http://x/",
		"headers":     len(got.Header.Values("A")) == 2 && got.Header.Get("A") == "b",
		"body":        string(got.Options.Body) == "body",
		"fresh":       got.FreshEvery == 1 && got.Gzip && got.Timeout == 2*time.Second,
		"expected":    len(got.ExpectStatus) == 2 && got.ExpectBody.MatchString("ok"),
		"output":      got.Record == "r" && got.JSON,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestLoadFlagsRefused(t *testing.T) {
	env, _, _ := screenOf()
	run := func(context.Context, loadOptions) error { return errors.New("it ran") }
	for _, args := range [][]string{
		{"--rate", "fast", "u"}, {"--rate", "3/h", "u"}, {"-H", "nocolon", "u"}, {"--expect-body", "(", "u"},
		{"-d", "a", "-D", "b", "u"}, {"-D", "/no/such/file", "u"},
	} {
		var p *problem.Error
		if err := parse(newLoad(env, run), args...); !errors.As(err, &p) || p.Kind != problem.Usage || p.Fix == "" {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Every command's help lists the exit codes that it uses, from the one table.
func TestHelpListsExitCodes(t *testing.T) {
	env, _, _ := screenOf()
	root := newRoot(env)
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.HasSubCommands() && cmd.HasParent() {
			for _, sub := range cmd.Commands() {
				walk(sub)
			}
			return
		}
		for _, k := range kindsOf(cmd) {
			if row := strings.TrimSpace(problem.Table(k)); row == "" || !strings.Contains(cmd.Long, row) {
				t.Errorf("%s --help lacks %d", cmd.CommandPath(), k)
			}
		}
	}
	walk(root)
	for _, cmd := range root.Commands() {
		walk(cmd)
	}
}
