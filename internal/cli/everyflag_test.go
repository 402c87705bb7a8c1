package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/internal/demo"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// trial is a command that is tried by a run function of the test's own.
type trial struct {
	make    func(env Env, seen func(any)) *cobra.Command
	args    []string            // without which it does not run
	beside  map[string][]string // by flag, what it does not go without
	samples map[string]string   // by flag, a value that it takes
	idle    map[string]string   // flags that fill no option, and why
}

// ran makes a run function that shows its options to the test.
func ran[T any](seen func(any)) func(context.Context, T) error {
	return func(_ context.Context, o T) error { seen(o); return nil }
}

// trying is a trial of a command that is made by make.
func trying[T any](make func(Env, func(context.Context, T) error) *cobra.Command, args ...string) trial {
	return trial{args: args, make: func(env Env, seen func(any)) *cobra.Command { return make(env, ran[T](seen)) }}
}

// trials are all commands with a run function, by their path.
func trials() map[string]trial {
	of := map[string]trial{
		"up": trying(newUp), "return": trying(newReturn), "destroy": trying(newDestroy), "preview": trying(newPreview),
		"refresh": trying(newRefresh), "cancel": trying(newCancel), "restore": trying(newRestore),
		"check": trying(newCheck), "migrate": trying(newMigrate, "--from", "node/a"), "drain": trying(newDrain, "a"),
		"protect": trying(newProtect, "asg/web"), "unprotect": trying(newUnprotect, "asg/web"), "rbac": trying(newRBAC),
		"load": trying(newLoad, "http://x/"), "token": trying(newToken, "--cluster", "a"), "demo": trying(newDemo),
	}
	for _, v := range movesVerbs() {
		of["moves "+v.name] = trial{make: func(env Env, seen func(any)) *cobra.Command { return movesCommand(env, v, ran[movesOptions](seen)) }}
	}
	for name, more := range map[string]trial{
		"up":      {samples: map[string]string{"guard": "off"}, beside: map[string][]string{"json": {"--yes"}}, idle: map[string]string{"plan": "it names a file, which a script makes"}},
		"return":  {samples: map[string]string{"guard": "off"}, beside: map[string][]string{"json": {"--yes"}}},
		"destroy": {beside: map[string][]string{"json": {"--yes"}}},
		"check":   {samples: map[string]string{"from": "node/b", "to": "node/b"}},
		"migrate": {
			samples: map[string]string{"from": "node/b", "to": "node/b", "then": "delete", "on-breach": "ignore", "guard-rate": "7/s", "guard-header": "A: b"},
			beside: map[string][]string{"json": {"--plan-only"}, "instance-type": {"--create-like"}, "version": {"--create-like"}, "ami": {"--create-like"},
				"capacity": {"--create-like"}, "name": {"--create-like"}},
		},
		"drain": {
			samples: map[string]string{"dry-run": "server", "selector": "role=web", "pod-selector": "app=web", "grace-period": "7", "on-breach": "ignore", "guard-rate": "7/s", "guard-header": "A: b"},
			idle: map[string]string{"chunk-size": "without effect, as its help says",
				"disable-eviction": "it is refused: anycluster.txtar", "ignore-daemonsets": "it allows what is refused: TestDrainRefuses",
				"delete-emptydir-data": "the same", "delete-local-data": "the same", "selector": "in place of names: TestDrainSelects"},
		},
		"load": {samples: map[string]string{"rate": "7/s", "header": "A: b", "data-file": "everyflag_test.go"}},
		"demo": {samples: map[string]string{"balancer": demo.ALB}, beside: map[string][]string{"program": {"--library", "../.."}},
			idle: map[string]string{"json": "it says who gets what is printed: TestDemoFlags", "library": "it is for --program, which is tried with it",
				"inside": "of the demo itself, which runs itself in a sandbox's namespace: make demo"}},
	} {
		t := of[name]
		t.samples, t.beside, t.idle = more.samples, more.beside, more.idle
		of[name] = t
	}
	for _, name := range []string{"migrate", "drain"} { // what is said of guards is said of each
		for _, flag := range []string{"host", "method", "header", "body", "rate", "expect", "status", "p99", "max-errors", "timeout"} {
			if of[name].beside == nil {
				t := of[name]
				t.beside = map[string][]string{}
				of[name] = t
			}
			of[name].beside["guard-"+flag] = []string{"--guard", "http://x/"}
		}
		of[name].beside["on-breach"] = []string{"--guard", "http://x/"}
	}
	return of
}

// sample is a value that the flag does not have by itself.
func (c trial) sample(f *pflag.Flag) string {
	if text, has := c.samples[f.Name]; has {
		return text
	}
	switch f.Value.Type() {
	case "bool":
		return fmt.Sprint(f.DefValue != "true")
	case "duration":
		return "7s"
	case "string", "stringArray":
		return "x"
	}
	return "207"
}

// try runs the command, and returns the options that it made of its arguments.
func (c trial) try(t *testing.T, args ...string) (got any) {
	t.Helper()
	env, _, _ := screenOf()
	env.Self = "/bin/drover"
	env.Getenv = func(name string) string { return map[string]string{"DROVER_SANDBOX": "/bin/sh", "HOME": "/h"}[name] }
	env.Stdin, env.Stdout, env.Stderr = nil, nil, nil // they differ from run to run
	if err := parse(c.make(env, func(o any) { got = o }), slices.Concat(c.args, args)...); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	return got
}

// held is what options hold, pointers followed, functions left out.
func held(o any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(o), 0)
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, depth int) {
	switch {
	case depth > 6 || !v.IsValid():
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		write(b, v.Elem(), depth+1)
	case v.Type() == reflect.TypeFor[guardFlags]() || v.Type() == reflect.TypeFor[setFlags]():
		// what they say counts once it is in the options of a move
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fmt.Fprintf(b, "%s{", v.Type().Field(i).Name)
			write(b, v.Field(i), depth+1)
			b.WriteString("}")
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			write(b, v.Index(i), depth+1)
			b.WriteString(",")
		}
	case v.Kind() != reflect.Func && v.Kind() != reflect.Chan:
		fmt.Fprintf(b, "%v", v)
	}
}

// Every flag of a command with a run function changes what that gets. It kills a flag
// that is declared and filled into nothing, and one that two commands share by mistake.
func TestEveryFlagFillsAnOption(t *testing.T) {
	for name, c := range trials() {
		t.Run(name, func(t *testing.T) {
			env, _, _ := screenOf()
			c.make(env, func(any) {}).Flags().VisitAll(func(f *pflag.Flag) {
				if c.idle[f.Name] != "" {
					return
				}
				beside := c.beside[f.Name]
				without := held(c.try(t, beside...))
				if with := held(c.try(t, append(slices.Clone(beside), "--"+f.Name+"="+c.sample(f))...)); with == without {
					t.Errorf("--%s=%s changes no option:\n%s", f.Name, c.sample(f), with)
				}
			})
			for flag := range c.idle {
				if c.make(env, func(any) {}).Flags().Lookup(flag) == nil {
					t.Errorf("there is no --%s", flag)
				}
			}
		})
	}
}

// What kubectl drain refuses is refused, unless the flag for it is given.
func TestDrainRefuses(t *testing.T) {
	report := move.Report{Pods: []move.Pod{{Name: "a", Daemon: true}, {Name: "b", EmptyDir: true, How: "surge-first"}}}
	for flag, wants := range map[string][]string{
		"":                       {"--ignore-daemonsets", "--delete-emptydir-data"},
		"--ignore-daemonsets":    {"--delete-emptydir-data"},
		"--delete-emptydir-data": {"--ignore-daemonsets"},
		"--delete-local-data":    {"--ignore-daemonsets"},
	} {
		o, _ := trials()["drain"].try(t, slices.DeleteFunc([]string{flag}, func(s string) bool { return s == "" })...).(migrateOptions)
		err := o.Verify(report)
		if err == nil {
			t.Fatalf("%q: nothing is refused", flag)
		}
		var told strings.Builder
		problem.Print(&told, err)
		for _, want := range []string{"--ignore-daemonsets", "--delete-emptydir-data"} {
			if got := strings.Contains(told.String(), want); got != slices.Contains(wants, want) {
				t.Errorf("%q: told of %s: %v\n%s", flag, want, got, &told)
			}
		}
	}
}

// Nodes of kubectl drain are named, or selected by their labels.
func TestDrainSelects(t *testing.T) {
	c := trial{make: trials()["drain"].make}
	o, _ := c.try(t, "-l", "role=web,tier!=db").(migrateOptions)
	if len(o.Move.From) != 1 || o.Move.From[0] != (move.Set{Kind: move.Nodes, Name: "role=web,tier!=db"}) {
		t.Errorf("%+v", o.Move.From)
	}
}

// commandLine is a line of a script that runs drover.
var commandLine = regexp.MustCompile(`(?m)^!? ?(?:exec|exits \d+|\w+) (?:.* )?(?:kubectl-)?drover\b(.*)$`)

// typed are the flags that scripts give, by command: "up --yes".
func typed(t *testing.T, root *cobra.Command) map[string]bool {
	t.Helper()
	scripts, err := filepath.Glob("../../cmd/drover/testdata/script/*.txtar")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	found := map[string]bool{}
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines, _, _ := strings.Cut(string(script), "\n-- ")
		for _, m := range commandLine.FindAllStringSubmatch(lines, -1) {
			note(found, root, strings.Fields(m[1]))
		}
	}
	return found
}

// note notes the flags of one command line.
func note(found map[string]bool, root *cobra.Command, args []string) {
	cmd, _, err := root.Find(args)
	if err != nil {
		return
	}
	for _, arg := range args {
		arg, _, _ = strings.Cut(arg, "=")
		var f *pflag.Flag
		switch {
		case strings.HasPrefix(arg, "--"):
			f = cmd.Flag(arg[2:])
		case len(arg) == 2 && arg[0] == '-':
			f = cmd.Flags().ShorthandLookup(arg[1:])
		}
		if f != nil {
			found[path(cmd)+" --"+f.Name] = true
		}
	}
}

func path(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "drover ") }

const (
	inSandbox = "it needs a sandbox: make demo"
	like      = "it makes a node group in AWS: move.TestLike"
)

// untyped are flags of commands with a run function that no script gives, and why.
var untyped = map[string]string{
	"--balancer": inSandbox, "--folder": inSandbox, "--inside": inSandbox, "--keep": inSandbox,
	"--create-like": like, "--ami": like, "--capacity": like, "--name": like, "--version": like,
	"--forget-unreachable": "it is of clusters that do not answer, as in internal/engine/crash_test.go",
	"--continue":           "it is of a soak under way: engine.TestSoakIsAsTheStackFileSays",
	"--forward":            "it is of a way back that was interrupted, in the middle of a change",
}

// Every flag of every command is given by a script, as a user types it. Of a command
// whose flags TestEveryFlagFillsAnOption tries, it will do that a script gives one of that
// name to any command, since most are declared once for several; or the reason is in
// untyped.
func TestEveryFlagIsGiven(t *testing.T) {
	env, _, _ := screenOf()
	root, tried := newRoot(env), trials()
	given := typed(t, root)
	commands, names := map[string]bool{}, map[string]bool{}
	for key := range given {
		names[key[strings.LastIndex(key, " ")+1:]] = true
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		commands[path(cmd)] = true
		trial, has := tried[path(cmd)]
		if has {
			if made, is := flagsOf(trial.make(env, func(any) {})), flagsOf(cmd); !slices.Equal(made, is) {
				t.Errorf("%s is tried with %q, and has %q", path(cmd), made, is)
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			key := path(cmd) + " --" + f.Name
			is := given[key] || has && names["--"+f.Name]
			if why := untyped["--"+f.Name]; !given[key] && is == (why != "") && f.Name != "help" {
				t.Errorf("a script gives %s: %v; %s", key, is, why)
			}
		})
	}
	walk(root)
	for _, name := range slices.Sorted(maps.Keys(tried)) {
		if !commands[name] {
			t.Errorf("there is no command %s", name)
		}
	}
}

func flagsOf(cmd *cobra.Command) (names []string) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			names = append(names, f.Name)
		}
	})
	return names
}
