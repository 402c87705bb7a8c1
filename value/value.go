// Package value is the vocabulary of what properties hold: one tree of plain
// JSON data (nil, bool, float64, string, []any, map[string]any) with three
// kinds of leaves that JSON does not know:
//
//	*Expr     text with references, parsed once when the file is read
//	Unknown   what only becomes known while the plan is carried out
//	Secret    what no reader may see
//
// Package spec makes the trees, package graph orders resources by their
// references, package engine resolves and compares them, package state stores
// them, and the providers reveal what is secret right before they send it.
//
// It imports nothing but the standard library.
package value

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Key names a resource within a stack.
type Key struct {
	Type string // AWS::EC2::VPC, apps/v1/Deployment
	Name string // logical name; for Kubernetes objects namespace/name, or name if cluster-scoped
}

// String is type/name.
func (k Key) String() string { return k.Type + "/" + k.Name }

// To is a reference to an output of the resource.
func (k Key) To(path string) *Expr { return Ref{Key: k, Path: path}.Expr() }

// NamePath is the path of a reference to a physical name. It is the one
// reference that a resource may make to itself.
const NamePath = "@name"

// Ref is what stands between "${" and "}": one of three. It is comparable.
type Ref struct {
	Word   string // as it stands in a file (cluster.endpoint), until package spec knows what it leads to
	Key    Key    // a resource of the stack, and
	Path   string // an output of it: VpcId, status.loadBalancer.ingress.0.hostname, @name
	Lookup string // a parameter of AWS Systems Manager: /aws/service/eks/…; or what AddonPrefix tells
}

// AddonPrefix begins what is looked up of EKS's add-ons: the default version of one
// for a version of Kubernetes, eks-addon:coredns/1.36.
const AddonPrefix = "eks-addon:"

// String is the reference as its file has it.
func (r Ref) String() string {
	switch {
	case strings.HasPrefix(r.Lookup, AddonPrefix):
		return "${" + r.Lookup + "}"
	case r.Lookup != "":
		return "${" + lookupPrefix + r.Lookup + "}"
	case r.Word != "":
		return "${" + r.Word + "}"
	}
	return "${" + r.Key.String() + ":" + r.Path + "}"
}

// Expr is the expression that is this reference alone.
func (r Ref) Expr() *Expr { return &Expr{parts: []Part{{Ref: r}}} }

// Part is a piece of an expression: plain text, a reference, or a secret.
type Part struct {
	Text   string
	Ref    Ref
	Secret Secret
}

func (p Part) isText() bool { return p.Ref == Ref{} && !p.Secret.given() }

// Expr is text with at least one reference or secret in it. It never changes
// once it is made.
//
// One that is a single reference stands for the referenced value with its
// type; within longer text the value becomes text.
type Expr struct{ parts []Part }

// Parts are the pieces in order; no two texts stand side by side.
func (e *Expr) Parts() []Part { return slices.Clone(e.parts) }

// Alone is the reference, if the expression is nothing else.
func (e *Expr) Alone() (Ref, bool) {
	if len(e.parts) == 1 && e.parts[0].Ref != (Ref{}) {
		return e.parts[0].Ref, true
	}
	return Ref{}, false
}

// String is the text that Parse reads back, except for secrets.
func (e *Expr) String() string {
	var b strings.Builder
	for _, p := range e.parts {
		switch {
		case p.Secret.given():
			b.WriteString(p.Secret.String())
		case p.isText():
			b.WriteString(Escape(p.Text))
		default:
			b.WriteString(p.Ref.String())
		}
	}
	return b.String()
}

// MarshalText makes JSON and other encoders show the text.
func (e *Expr) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Join puts strings, expressions and secrets together: a string if there is
// nothing but text, else an expression. Anything else cannot stand within text.
func Join(pieces ...any) (any, error) {
	var parts []Part
	for _, piece := range pieces {
		switch piece := piece.(type) {
		case *Expr:
			for _, p := range piece.parts {
				parts = join(parts, p)
			}
		case Secret:
			parts = join(parts, Part{Secret: piece})
		default:
			text, err := asText(piece)
			if err != nil {
				return nil, err
			}
			parts = join(parts, Part{Text: text})
		}
	}
	return fromParts(parts), nil
}

// Text is Join for what cannot fail: strings, expressions and secrets.
func Text(pieces ...any) any {
	v, err := Join(pieces...)
	if err != nil {
		panic("value.Text: " + err.Error()) // a mistake of the caller, who wrote the pieces down
	}
	return v
}

func join(parts []Part, p Part) []Part {
	if p.isText() && len(parts) > 0 && parts[len(parts)-1].isText() {
		parts[len(parts)-1].Text += p.Text
		return parts
	}
	if p.isText() && p.Text == "" {
		return parts
	}
	return append(parts, p)
}

func fromParts(parts []Part) any {
	if len(parts) == 0 {
		return ""
	}
	if len(parts) == 1 && parts[0].isText() {
		return parts[0].Text
	}
	if len(parts) == 1 && parts[0].Secret.given() {
		return parts[0].Secret
	}
	return &Expr{parts: parts}
}

// Unknown stands for a value that is not known before the plan is carried out:
// it comes from a resource that is yet to be made.
type Unknown struct{ of *Expr }

// NotYet is the value of an expression that cannot be resolved yet.
func NotYet(e *Expr) Unknown { return Unknown{of: e} }

// String is the expression, which no real value equals.
func (u Unknown) String() string { return u.of.String() }

// MarshalText makes JSON and other encoders show the expression.
func (u Unknown) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ParseKey reads Type/Name, as Key.String writes it.
func ParseKey(s string) (Key, error) {
	typ, name, err := cutType(s)
	if err != nil || name == "" {
		return Key{}, fmt.Errorf("%q: want Type/Name", s)
	}
	return Key{Type: typ, Name: name}, nil
}

// cutType separates the type from what follows it. An AWS type holds "::" and
// no slash; a Kubernetes type (version/Kind or group/version/Kind) ends with the
// first segment that starts with a capital letter, its kind. The name may hold
// slashes of its own.
func cutType(s string) (typ, rest string, err error) {
	first, after, _ := strings.Cut(s, "/")
	if strings.Contains(first, "::") {
		return first, after, nil
	}
	segments := strings.Split(s, "/")
	kind := slices.IndexFunc(segments, func(seg string) bool {
		return seg != "" && unicode.IsUpper(rune(seg[0]))
	})
	if kind < 1 || kind > 2 {
		return "", "", fmt.Errorf("${%s}: no type that AWS (AWS::EC2::VPC) or Kubernetes (apps/v1/Deployment) could have", s)
	}
	return strings.Join(segments[:kind+1], "/"), strings.Join(segments[kind+1:], "/"), nil
}

// Piece is the part as Join takes it.
func (p Part) Piece() any {
	switch {
	case p.Secret.given():
		return p.Secret
	case p.isText():
		return p.Text
	}
	return p.Ref.Expr()
}
