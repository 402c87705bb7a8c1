package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

const planted = "correct-horse-battery"

func veil() *value.Veil {
	v := new(value.Veil)
	v.Learn(value.Hide(planted))
	return v
}

// What others write of a secret is taken out of every fact that holds their words.
func TestEventsShowNoSecret(t *testing.T) {
	for _, f := range []event.Fact{
		event.Progress{Step: 1, Waiting: "sending " + planted}, event.StepFinished{Step: 1, Error: "invalid " + planted},
		event.Finding{Object: "db", Effect: "refuses " + planted, Fix: "see it"}, event.Finding{Object: "db", Effect: "refuses it", Fix: "not " + planted},
	} {
		var told event.Fact
		veiled{sinkFunc(func(f event.Fact) { told = f }), veil()}.Emit(f)
		text := fmt.Sprintf("%T %+v", told, told)
		if strings.Contains(text, planted) || !strings.HasPrefix(text, fmt.Sprintf("%T", f)) || !strings.Contains(text, value.Hidden) {
			t.Errorf("%T: %s", f, text)
		}
	}
	other := event.StepStarted{Step: 1, Name: "db"}
	veiled{sinkFunc(func(f event.Fact) {
		if f != other {
			t.Errorf("%+v", f)
		}
	}), veil()}.Emit(other)
}

// An error that quotes a secret keeps its kind, its place and its remedy, whatever it is
// wrapped in; one that quotes none is the same.
func TestErrorsShowNoSecret(t *testing.T) {
	one := func(change func(*problem.Error)) *problem.Error {
		p := &problem.Error{Kind: problem.Refused, Op: "put it", At: problem.Place{File: "drover.yaml", Line: 3}, Err: errors.New("denied"), Fix: "ask", Notes: []string{"a", "b"}}
		change(p)
		return p
	}
	for about, err := range map[string]error{
		"plain":              errors.New("invalid " + planted),
		"wrapped":            fmt.Errorf("put: %w", errors.New(planted)),
		"its cause":          one(func(p *problem.Error) { p.Err = errors.New("invalid " + planted) }),
		"its operation":      one(func(p *problem.Error) { p.Op = "put " + planted }),
		"its remedy":         one(func(p *problem.Error) { p.Fix = "not " + planted }),
		"a note":             one(func(p *problem.Error) { p.Notes[1] = planted }),
		"a remedy, no cause": one(func(p *problem.Error) { p.Err, p.Fix = nil, planted }),
		"one of several":     problem.List{one(func(*problem.Error) {}), one(func(p *problem.Error) { p.Err = errors.New(planted) })},
	} {
		out := unveiled(err, veil())
		var p *problem.Error
		var list problem.List
		text := fmt.Sprintf("%v", out)
		if errors.As(out, &p) {
			text += fmt.Sprint(p.Fix, p.Notes)
		}
		if strings.Contains(text, planted) || !strings.Contains(text, value.Hidden) {
			t.Errorf("%s: %s", about, text)
		}
		if errors.As(err, &p) && (!errors.As(out, &p) || p.Kind != problem.Refused || p.At.Line != 3 || len(p.Notes) != 2) {
			t.Errorf("%s: %+v", about, p)
		}
		if errors.As(err, &list) && (!errors.As(out, &list) || len(list) != 2) {
			t.Errorf("%s: %+v", about, out)
		}
	}
	var same *problem.Error
	if err := one(func(*problem.Error) {}); !errors.As(unveiled(err, veil()), &same) || same != err || unveiled(nil, veil()) != nil {
		t.Error("an error without a secret is another one")
	}
}

// secretive is a provider of types with secret properties.
type secretive struct{ Provider }

func (secretive) Secrets(typ string) []string {
	return map[string][]string{"v1/Secret": {"data", "stringData"}, "AWS::RDS::DBInstance": {"MasterPassword"}}[typ]
}

// Secrets are stored, and a passphrase is wanted, where the plan or an output holds one, a
// parameter that is looked up is one, or somebody else may fill in what is made.
func TestWhatStoresSecrets(t *testing.T) {
	step := func(op plan.Op, typ string, want plan.Props) plan.Plan {
		return plan.Plan{Steps: []plan.Step{{Op: op, URN: plan.NewURN("dev", "shop", typ, "x"), Want: want}}}
	}
	looks := func(path string) any { return value.Ref{Lookup: path}.Expr() }
	output := func(v any) *graph.Graph { return &graph.Graph{Outputs: []graph.Output{{Name: "o", Value: v}}} }
	for about, c := range map[string]struct {
		p     plan.Plan
		g     *graph.Graph
		want  bool
		fails bool
	}{
		"nothing":                        {plan.Plan{}, new(graph.Graph), false, false},
		"a secret of the user's":         {step(plan.Update, "AWS::S3::Bucket", plan.Props{"a": value.Hide("x")}), new(graph.Graph), true, false},
		"no secret":                      {step(plan.Update, "AWS::S3::Bucket", plan.Props{"a": "x"}), new(graph.Graph), false, false},
		"a Secret that is made":          {step(plan.Create, "v1/Secret", plan.Props{}), new(graph.Graph), true, false},
		"… that is there":                {step(plan.Update, "v1/Secret", plan.Props{}), new(graph.Graph), false, false},
		"another one with secret fields": {step(plan.Create, "AWS::RDS::DBInstance", plan.Props{}), new(graph.Graph), false, false},
		"an output":                      {plan.Plan{}, output(value.Hide("x")), true, false},
		"an output that is none":         {plan.Plan{}, output("x"), false, false},
		"a secret parameter":             {plan.Plan{}, output(looks("/shop/secret")), true, false},
		"a parameter":                    {plan.Plan{}, output(looks("/shop/plain")), false, false},
		"one of AWS's own":               {plan.Plan{}, output(looks("/aws/service/secret")), false, false},
		"an add-on's version":            {plan.Plan{}, output(looks(value.AddonPrefix + "secret")), false, false},
		"one that cannot be looked up":   {plan.Plan{}, output(looks("/shop/denied")), false, true},
	} {
		e := &Engine{Providers: func(string) (Provider, error) { return secretive{}, nil }, Lookup: func(_ context.Context, path string) (any, error) {
			switch {
			case strings.HasSuffix(path, "secret"):
				return value.Hide("x"), nil
			case strings.HasSuffix(path, "denied"):
				return nil, errors.New("denied")
			}
			return "x", nil
		}}
		got, err := e.StoresSecrets(t.Context(), c.p, c.g)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %t, %v", about, got, err)
		}
	}
	e := &Engine{Providers: func(string) (Provider, error) { return nil, errors.New("unknown type") }}
	if _, err := e.StoresSecrets(t.Context(), step(plan.Create, "T", nil), new(graph.Graph)); err == nil {
		t.Error("nobody knows what is secret of it, and nobody is told")
	}
}

// What is secret by its type is marked before anything is compared; the graph stays as it was.
func TestWhatIsSecretByItsType(t *testing.T) {
	g := &graph.Graph{Resources: []graph.Resource{
		{Key: graph.Key{Type: "AWS::RDS::DBInstance", Name: "a"}, Props: plan.Props{"MasterPassword": "x", "Name": "a"}},
		{Key: graph.Key{Type: "AWS::RDS::DBInstance", Name: "b"}, Props: plan.Props{"MasterPassword": "y"}},
		{Key: graph.Key{Type: "AWS::S3::Bucket", Name: "c"}, Props: plan.Props{"MasterPassword": "z"}},
	}}
	e := &Engine{Providers: func(string) (Provider, error) { return secretive{}, nil }}
	c, err := e.concealed(g)
	if err != nil {
		t.Fatal(err)
	}
	var secret []bool
	for _, r := range c.Resources {
		secret = append(secret, value.HasSecret(r.Props))
	}
	if !slices.Equal(secret, []bool{true, true, false}) || c.Resources[0].Props["Name"] != "a" || value.HasSecret(g.Resources[0].Props) {
		t.Errorf("%v, %v, and before %v", secret, c.Resources, g.Resources)
	}
	e.Providers = func(string) (Provider, error) { return nil, errors.New("unknown type") }
	if _, err := e.concealed(g); err == nil {
		t.Error("nobody knows what is secret, and nobody is told")
	}
}
