package drover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/droverhq/drover/internal/wire"
)

// Run is the whole of a program's main: it calls f, which registers what the
// stack shall have, and tells drover. It ends the process if that failed.
func Run(f func(*Stack) error) {
	if os.Getenv(wire.EnvMark) == "" {
		_, _ = fmt.Fprintln(os.Stderr, "error: this program is run by drover\n  fix: write its folder into drover.yaml, as in program: ./infra; then: drover preview")
		os.Exit(2)
	}
	out := os.Stdout
	os.Stdout = os.Stderr // the answer stands alone there
	if err := serve(os.Stdin, out, f); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error: tell drover what the stack has:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer, f func(*Stack) error) error {
	var q wire.Question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("read what drover asks: %w", err)
	}
	return json.NewEncoder(out).Encode(answer(q, f))
}

// answer runs f. What it registered is told also if it failed: its mistakes are
// found in one go.
func answer(q wire.Question, f func(*Stack) error) wire.Answer {
	r := &registry{question: q}
	if q.Protocol == wire.Version {
		r.run(f)
	}
	return wire.Answer{Protocol: wire.Version, Entries: r.entries, Failures: r.failures}
}

func (r *registry) run(f func(*Stack) error) {
	defer func() {
		if p := recover(); p != nil {
			_, _ = fmt.Fprintf(os.Stderr, "%s", debug.Stack())
			r.failures = append(r.failures, wire.Failure{Text: fmt.Sprintf("panic: %v", p), Fix: "correct the program; its stack stands above", At: caller()})
		}
	}()
	if err := f(&Stack{registry: r}); err != nil {
		r.failures = append(r.failures, wire.Failure{Text: err.Error(), Fix: "correct what the program says"})
	}
}

// Given is what a stack has in a test: see [Describe].
type Given struct {
	Project string
	Stack   string
	Config  map[string]string
	Secrets []string // keys of the config whose values are secret
}

// Describe tells what a program registers, as drover.yaml would say it: JSON,
// which is YAML, too. It is for tests, and asks neither drover nor AWS: whether
// drover takes it, drover preview tells.
func Describe(given Given, f func(*Stack) error) (string, error) {
	a := answer(wire.Question{Protocol: wire.Version, Project: given.Project, Stack: given.Stack, Config: given.Config, Secrets: given.Secrets}, f)
	var failed []error
	for _, failure := range a.Failures {
		failed = append(failed, errors.New(failure.String()))
	}
	text, err := json.MarshalIndent(wire.Sections(a.Entries), "", "  ")
	return string(text), errors.Join(append(failed, err)...)
}
