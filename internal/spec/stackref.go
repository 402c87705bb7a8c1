package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// StackRef is one entry of stackRefs: another stack, whose outputs this one takes.
type StackRef struct {
	Name  string
	State string // where its state is; empty: where this stack's is
	Stack string // its name; empty: this stack's
}

// Outputs reads the outputs that the last complete run of another stack stored.
type Outputs func(StackRef) (map[string]any, error)

// foreign is another stack whose outputs were read, or could not be.
type foreign struct {
	StackRef
	outputs map[string]any
	read    bool
	err     error
}

const stackRefRoot = "stackRef"

// stackRefs are read before all that may refer to them.
func (l *loader) stackRefs(f field) {
	const example = `network: {state: "s3://acme-states/network?region=us-west-2", stack: prod}`
	for _, e := range f.entries(example) {
		r := &foreign{StackRef: StackRef{Name: e.name}}
		l.foreign[e.name] = r
		if !logicalName.MatchString(e.name) {
			e.fail("start with a letter and use letters, digits, - and _", "%q is not a name for a stack", e.name)
		}
		if !e.given() {
			e.fail("write it as in "+example, "says neither state nor stack: it would be this stack itself")
			continue
		}
		o, ok := e.object(example, "state", "stack")
		if !ok {
			continue
		}
		if stack := o.get("stack"); stack.given() {
			r.Stack, _ = stack.word("stack: prod")
		}
		if state := o.get("state"); state.given() {
			r.State = state.place()
		}
		if r.State == "" && (r.Stack == "" || r.Stack == l.stack) && !o.get("state").given() {
			e.fail("name another stack, or the state of another project", "is this stack itself")
		}
	}
}

// place is the URL of a state.
func (f field) place() string {
	text, ok := f.word("state: s3://acme-states/network?region=us-west-2")
	if !ok {
		return ""
	}
	if u, err := url.Parse(text); err != nil || !slices.Contains(stateSchemes, u.Scheme) {
		f.fail("write a URL, as in s3://acme-states/network?region=us-west-2 (docs/state.md lists all)", "%q does not say where a state is", text)
	}
	return text
}

// foreignOutput is the value of ${stackRef.NAME.OUTPUT}.
func (f field) foreignOutput(rest string) (any, bool) {
	name, output, _ := strings.Cut(rest, ".")
	r, known := f.foreign[name]
	switch {
	case !known:
		f.fail("declare it: stackRefs: {"+short(name)+": {stack: prod}}", "${stackRef.%s}: stackRefs has no %q%s", rest, name, didYouMean(name, keysOf(f.foreign)))
		return "", false
	case output == "":
		f.fail("write ${stackRef."+short(name)+".OUTPUT}", "${stackRef.%s} names no output", rest)
		return "", false
	}
	if err := f.askOutputs(r); err != nil {
		f.unread(r, err)
		return "", false
	}
	v, ok := r.outputs[output]
	if !ok {
		have := slices.Sorted(maps.Keys(r.outputs))
		fix := "add it to the outputs of that stack, and run drover up there"
		if len(have) > 0 {
			fix += "; it has " + choices(have)
		}
		f.fail(fix, "${stackRef.%s}: %s has no output %q%s", rest, name, output, didYouMean(output, have))
	}
	return v, ok
}

// askOutputs reads them once.
func (f field) askOutputs(r *foreign) error {
	if !r.read {
		r.read = true
		r.err = errors.New("outputs of other stacks are not read here")
		if f.others != nil {
			r.outputs, r.err = f.others(r.StackRef)
		}
	}
	return r.err
}

// unread tells once for each place why there are no outputs.
func (f field) unread(r *foreign, err error) {
	p := &problem.Error{Kind: problem.Usage, At: f.at, Op: f.path, Err: fmt.Errorf("stackRefs.%s: %w", r.Name, err), Fix: "correct stackRefs: where its state is, and its name"}
	var known *problem.Error
	if errors.As(err, &known) {
		p.Kind, p.Fix = known.Kind, known.Fix
	}
	f.problems = append(f.problems, p)
}

// flat is a value that must be text: what another stack told as a number is.
func (f field) flat(v any) (any, bool) {
	switch v.(type) {
	case string, *value.Expr, value.Secret:
		return v, true
	}
	text, err := value.Join(v)
	if err != nil {
		f.fail("take an output that is text", "%v", err)
	}
	return text, err == nil
}
