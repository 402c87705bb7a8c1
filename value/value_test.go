package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func key(typ, name string) Key { return Key{Type: typ, Name: name} }

// A stored reference is read in one way only, although types, names and paths
// may all hold slashes, dots or colons.
func TestStoredReference(t *testing.T) {
	for text, want := range map[string]Ref{
		"AWS::EC2::VPC/main:VpcId":                             {Key: key("AWS::EC2::VPC", "main"), Path: "VpcId"},
		"AWS::IAM::Role/web:@name":                             {Key: key("AWS::IAM::Role", "web"), Path: "@name"},
		"v1/Namespace/apps:metadata.uid":                       {Key: key("v1/Namespace", "apps"), Path: "metadata.uid"},
		"v1/Service/apps/nginx:spec.ports.0.port":              {Key: key("v1/Service", "apps/nginx"), Path: "spec.ports.0.port"},
		"apps/v1/Deployment/apps/Web:x":                        {Key: key("apps/v1/Deployment", "apps/Web"), Path: "x"},
		"a.b.io/v1beta1/Kind/n:data.tls.crt:x":                 {Key: key("a.b.io/v1beta1/Kind", "n"), Path: "data.tls.crt:x"},
		"rbac.authorization.k8s.io/v1/ClusterRole/s%3Ax:@name": {Key: key("rbac.authorization.k8s.io/v1/ClusterRole", "s%3Ax"), Path: "@name"},
		"ssm:/aws/service/eks/1.36:2":                          {Lookup: "/aws/service/eks/1.36:2"},
	} {
		e, err := parseStored("${" + text + "}")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, alone := e.Alone(); !alone || got != want || e.String() != "${"+text+"}" {
			t.Errorf("%s: have %+v, written back as %s", text, got, e)
		}
	}
	for _, text := range []string{"", "HOME", "cluster.endpoint", "AWS::EC2::VPC/main", "AWS::EC2::VPC/:VpcId", "AWS::EC2::VPC",
		"Service/apps:x", "a/b/c/Kind/n:x", "v1/service/apps/nginx:x", "ssm:name", "v1/Service/a:"} {
		if e, err := parseStored("${" + text + "}"); err == nil {
			t.Errorf("%q is taken for %v", text, e)
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string][]Part{
		"${cluster.endpoint}":           {{Ref: Ref{Word: "cluster.endpoint"}}},
		"http://${a.b}:${ssm:/p}/$${x}": {{Text: "http://"}, {Ref: Ref{Word: "a.b"}}, {Text: ":"}, {Ref: Ref{Lookup: "/p"}}, {Text: "/${x}"}},
		"${ssm:p}":                      {{Ref: Ref{Word: "ssm:p"}}},
	} {
		v, err := Parse(in)
		if e, ok := v.(*Expr); err != nil || !ok || !slices.Equal(e.Parts(), want) || e.String() != in {
			t.Errorf("%s: %v, %v", in, v, err)
		}
	}
	if _, err := Parse("a ${b"); !errors.Is(err, ErrUnclosed) {
		t.Errorf("%v", err)
	}
	onlyA := func(word string) bool { return word == "a" }
	if v := ParseOnly("${a} ${b} $${a} ${open", onlyA); fmt.Sprint(v) != "${a} $${b} $${a} $${open" {
		t.Errorf("%v", v)
	}
}

func TestResolve(t *testing.T) {
	x := key("AWS::A::B", "x")
	outputs := map[string]any{"List": []any{"a", 2.0}, "N": 3.0, "Yes": true, "S": "${not.a.ref}", "Secret": Hide("hunter2"),
		"Later": NotYet(x.To("Later"))}
	get := func(r Ref) (any, error) {
		if v, ok := Get(outputs, r.Path); ok {
			return v, nil
		}
		return nil, fmt.Errorf("%s is not known", r)
	}
	for _, c := range []struct{ in, want any }{
		{x.To("List"), []any{"a", 2.0}},
		{x.To("N"), 3.0},
		{Text("n=", x.To("N"), " ", x.To("Yes")), "n=3 true"},
		{x.To("S"), "${not.a.ref}"},
		{map[string]any{"UserData": map[string]any{"Fn::Base64": Text("n=", x.To("N"))}}, map[string]any{"UserData": "bj0z"}},
		{[]any{nil, 1.5, map[string]any{"${k": "v"}}, []any{nil, 1.5, map[string]any{"${k": "v"}}},
		{Text("u:", x.To("Secret")), Hide("u:hunter2")},
		{Hide(Text("u:", x.To("N"))), Hide("u:3")},
		{map[string]any{"Fn::Base64": Hide("n=3")}, Hide("bj0z")},
		{Text("at ", x.To("Later")), NotYet(Text("at ", x.To("Later")).(*Expr))},
		{Text("at ", x.To("Later"), x.To("Secret")), Hide(NotYet(Text("at ", x.To("Later"), x.To("Secret")).(*Expr)))},
	} {
		if got, err := Resolve(c.in, get); err != nil || !Equal(got, c.want) {
			t.Errorf("%v:\n have %#v, %v\n want %#v", c.in, got, err, c.want)
		}
	}
	for want, in := range map[string]any{
		"[]interface {} cannot stand within text": Text("in ", x.To("List")),
		"is not known": x.To("Nothing"),
	} {
		_, err := Resolve(map[string]any{"P": []any{in}}, get)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "P: [0]: ") {
			t.Errorf("%v: have %v, want P: [0]: ...%s", in, err, want)
		}
	}
	got, err := Resolve(x.To("List"), get)
	if err != nil {
		t.Fatal(err)
	}
	got.([]any)[0] = "changed"
	if list, _ := Get(outputs, "List.0"); list != "a" {
		t.Error("the resolved value is not a copy: a change reached the outputs")
	}
}

func TestGet(t *testing.T) {
	v := map[string]any{
		"a":   map[string]any{"b": []any{map[string]any{"c": 1.0}}, "b.c": 2.0, "nothing": nil},
		"a.b": map[string]any{"d": 3.0},
	}
	for path, want := range map[string]any{"a.b.0.c": 1.0, "a.b.c": 2.0, "a.b.d": 3.0, "a.nothing": nil, "": v} {
		if got, ok := Get(v, path); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: have %v, %t, want %v", path, got, ok, want)
		}
	}
	for _, path := range []string{"b", "a.b.1", "a.b.-1", "a.b.x", "a.b.0.c.d", "a.", "."} {
		if got, ok := Get(v, path); ok {
			t.Errorf("%q: have %v, want nothing", path, got)
		}
	}
	if got, ok := Get(map[string]any{"s": Hide(map[string]any{"k": "v"})}, "s.k"); !ok || !Equal(got, Hide("v")) {
		t.Error("what lies in a secret is not secret")
	}
}

// Equal tells apart what a plan must tell apart: a secret from its clear text,
// one secret from another, and nothing from something.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b any
		same bool
	}{
		{3, 3.0, true}, {nil, map[string]any{}, true}, {[]any{}, nil, false}, {"3", 3.0, false},
		{map[string]any{"a": nil}, map[string]any{}, false},
		{Hide("a"), Hide("a"), true}, {Hide("a"), Hide("b"), false}, {Hide("a"), "a", false},
		{Sealed("x"), Sealed("x"), true}, {Sealed("x"), Sealed("y"), false},
		{key("A::B", "x").To("P"), key("A::B", "x").To("P"), true}, {key("A::B", "x").To("P"), key("A::B", "x").To("Q"), false},
		{key("A::B", "x").To("P"), "${A::B/x:P}", false},
	} {
		if Equal(c.a, c.b) != c.same || Equal(c.b, c.a) != c.same {
			t.Errorf("%v and %v: want %t", c.a, c.b, c.same)
		}
	}
}

var drawText = rapid.StringMatching(`([a-z$ ]|\$\{|\}){0,12}`)

// Text that was escaped comes back as it was, whatever it holds.
func TestEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText.Draw(t, "text")
		if got, err := Parse(Escape(text)); err != nil || got != text {
			t.Fatalf("%q came back as %q, %v", text, got, err)
		}
	})
}

// Refs finds just the references that Resolve asks for, each once.
func TestRefsAreWhatResolveAsks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawTree(t, 3)
		var asked []Ref
		_, err := Resolve(v, func(r Ref) (any, error) {
			if !slices.Contains(asked, r) {
				asked = append(asked, r)
			}
			return "x", nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if refs := Refs(v); !slices.Equal(refs, asked) {
			t.Fatalf("Refs %v, Resolve asked for %v", refs, asked)
		}
	})
}

// What is stored comes back as it was, secrets and references and odd keys
// included, and no secret stands in what is stored.
func TestStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := map[string]any{"x": drawTree(t, 3), "hidden": Hide(drawTree(t, 1))}
		if _, err := Encode(tree); !errors.Is(err, ErrFresh) {
			t.Fatalf("a secret that nobody sealed is stored: %v", err)
		}
		if err := Seal(tree, backwards{}); err != nil {
			t.Fatal(err)
		}
		stored, err := Encode(tree)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		back := map[string]any{}
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if back, err = Decode(back); err != nil {
			t.Fatal(err)
		}
		if err := Open(back, backwards{}); err != nil {
			t.Fatal(err)
		}
		if !Equal(back, tree) {
			t.Fatalf("stored %s\nhave %#v\nwant %#v", data, back, tree)
		}
	})
}

// backwards is a Sealer for tests.
type backwards struct{}

func (backwards) Seal(plain []byte) (string, error) {
	slices.Reverse(plain)
	return "sealed " + string(plain), nil
}

func (backwards) Open(sealed string) ([]byte, error) {
	plain := []byte(strings.TrimPrefix(sealed, "sealed "))
	slices.Reverse(plain)
	return plain, nil
}

func drawTree(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	switch {
	case depth == 0 || kind == 0:
		text := drawText.Draw(t, "text")
		if rapid.Bool().Draw(t, "refers") {
			ref := key("AWS::A::B", rapid.StringMatching(`[a-c]`).Draw(t, "name")).To("P")
			return Text(strings.TrimRight(text, "$"), ref)
		}
		return text
	case kind == 1:
		return []any{drawTree(t, depth-1), drawTree(t, depth-1)}
	case kind == 2:
		return map[string]any{"b": drawTree(t, depth-1), "a": drawTree(t, depth-1)}
	case kind == 3:
		return Hide(drawTree(t, depth-1))
	case kind == 4:
		return map[string]any{rapid.SampledFrom([]string{secretEnvelope, exprEnvelope, plainEnvelope, "x"}).Draw(t, "key"): drawTree(t, depth-1)}
	}
	return 1.0
}

// However a secret is printed, it does not show; also deep within a struct
// whose fields reflection cannot ask for their methods.
func TestSecretDoesNotShow(t *testing.T) {
	type inner struct{ s Secret }
	const plain = "hunter2"
	holders := []any{Hide(plain), &[]Secret{Hide(plain)}, inner{Hide(plain)}, &inner{Hide(plain)},
		map[string]any{"a": []any{Hide(plain)}}, Text("u:", Hide(plain), key("A::B", "x").To("P")),
		NotYet(Text("u:", Hide(plain), key("A::B", "x").To("P")).(*Expr))}
	for _, h := range holders {
		var b strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&b, verb, h)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "h", h)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "h", h)
		data, err := json.Marshal(h)
		if err != nil {
			t.Errorf("%T: %v", h, err)
		}
		b.Write(data)
		b.WriteString(errors.Join(fmt.Errorf("%v", h)).Error())
		if strings.Contains(b.String(), plain) || strings.Contains(b.String(), fmt.Sprintf("%x", plain)) {
			t.Errorf("%T shows it: %s", h, b.String())
		}
	}
}

// A secret that is still sealed cannot be taken for anything.
func TestSealedSecret(t *testing.T) {
	s := Sealed("x")
	if _, err := Reveal([]any{s}); !errors.Is(err, ErrSealed) {
		t.Errorf("revealed: %v", err)
	}
	if _, err := Resolve(Text("a", s), nil); !errors.Is(err, ErrSealed) {
		t.Errorf("resolved: %v", err)
	}
	if !Locked(map[string]any{"a": Text("u:", s)}) || Locked(Hide("x")) || !Fresh([]any{Hide("x")}) || Fresh(s) {
		t.Error("sealed and open are taken for each other")
	}
}
