package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/value"
)

// secretTag marks a value that nobody may see.
const secretTag = "!secret"

// text reads a string that may hold references: a string, an expression or a
// secret. Empty if it is not given or wrong.
func (f field) text(what string) any {
	v, ok := f.scalar("!!str", "text", "quote it: "+what)
	if !ok {
		return ""
	}
	f.remember(v, true)
	return v
}

// open is text that will be shown, and so cannot be secret.
func (f field) open(what string) (any, bool) {
	v, ok := f.scalar("!!str", "text", "quote it: "+what)
	switch {
	case !ok:
		return "", false
	case value.HasSecret(v):
		f.refuseSecret(what)
		return "", false
	}
	f.remember(v, true)
	return v, true
}

// word reads a string that holds no reference, except to config.
func (f field) word(what string) (string, bool) {
	v, ok := f.scalar("!!str", "text", "quote it: "+what)
	if !ok {
		return "", false
	}
	text, plain := v.(string)
	switch {
	case plain:
		return text, true
	case value.HasSecret(v):
		f.refuseSecret(what)
	default:
		f.fail("write it out, as in "+what, "%q: only ${config.KEY} can stand here", fmt.Sprint(v))
	}
	return "", false
}

func (f field) refuseSecret(what string) {
	f.fail("write it in the open, as in "+what, "a secret cannot stand here: the value is shown")
}

// integer reads a whole number.
func (f field) integer() (int, bool) {
	v, ok := f.scalar("!!int", "a whole number", "write it without quotes, as in 3")
	if !ok {
		return 0, false
	}
	text, _ := v.(string)
	n, err := strconv.Atoi(text)
	switch {
	case value.HasSecret(v):
		f.refuseSecret("3")
	case err != nil:
		f.fail("write it as in 3", "%q is not a whole number", fmt.Sprint(v))
	default:
		return n, true
	}
	return 0, false
}

// scalar reads one value with its references to config filled in. A value
// that comes from config alone may have any type there.
func (f field) scalar(tag, want, fix string) (any, bool) {
	if !f.given() {
		return "", false
	}
	if f.node.Kind != yaml.ScalarNode {
		f.wrongType(want, fix)
		return "", false
	}
	v, ok := f.parsed(nil)
	if !ok {
		return "", false
	}
	if f.secret() {
		return v, true
	}
	if f.node.ShortTag() != tag && (v == any(f.node.Value) || tag == "!!str") {
		f.wrongType(want, fix)
		return "", false
	}
	return f.flat(v)
}

// parsed reads the references of a scalar, once and for all. Those to config
// are replaced by what they stand for. keep says which are meant for Drover
// (nil: all); the others are plain text.
func (f field) parsed(keep func(string) bool) (any, bool) {
	if !strings.Contains(f.node.Value, "${") {
		return f.guarded(f.node.Value), true
	}
	v := value.ParseOnly(f.node.Value, keep)
	if keep == nil {
		var err error
		if v, err = value.Parse(f.node.Value); err != nil {
			f.fail(`close it, or write "$${" for a plain "${"`, "%q: %v", f.shown(f.node.Value), err)
			return "", false
		}
	}
	expr, ok := v.(*value.Expr)
	if !ok {
		return f.guarded(v), true
	}
	filled, ok := f.fillConfig(expr)
	return f.guarded(filled), ok
}

// guarded hides what is marked as secret.
func (f field) guarded(v any) any {
	if f.secret() {
		return value.Hide(v)
	}
	return v
}

// secret tells whether the value is marked, by its tag or by where it stands.
func (f field) secret() bool { return f.hidden || f.node != nil && f.node.Tag == secretTag }

// shown is text of the file as an error may show it.
func (f field) shown(text string) string {
	if f.secret() {
		return value.Hidden
	}
	return text
}

// fillConfig replaces the references to config and to other stacks; the others stay.
func (f field) fillConfig(e *value.Expr) (any, bool) {
	var pieces []any
	ok := true
	for _, p := range e.Parts() {
		if rest, is := strings.CutPrefix(p.Ref.Word, stackRefRoot+"."); is {
			v, known := f.foreignOutput(rest)
			if ok = ok && known; known && len(e.Parts()) == 1 {
				return v, ok
			}
			pieces = append(pieces, v)
			continue
		}
		key, isConfig := strings.CutPrefix(p.Ref.Word, "config.")
		if !isConfig {
			pieces = append(pieces, p.Piece())
			continue
		}
		v, known := f.config[key]
		if !known {
			f.fail(fmt.Sprintf("drover config set %s VALUE", key), "${config.%s}: stack %q has no such config%s",
				key, f.stack, didYouMean(key, f.config.keys()))
			ok = false
			continue
		}
		pieces = append(pieces, v)
	}
	text, err := value.Join(pieces...)
	if err != nil {
		f.fail("write the reference alone, or take an output that is text", "%v", err)
		return "", false
	}
	return text, ok
}

// remember keeps a value with references until it is known what they lead to.
// A flat one cannot be a list.
func (f field) remember(v any, flat bool) {
	if len(value.Refs(v)) > 0 {
		f.texts = append(f.texts, text{value: v, path: f.path, at: f.at, flat: flat})
	}
}

// maxDepth is how deep mappings and lists may lie in each other: Kubernetes' own
// objects stay below 40, and a reader's stack ends somewhere.
const maxDepth = 200

// tree reads a value of any kind as JSON data. keep says which references are
// meant for Drover (nil: all); the others stay as they are, as plain text.
func (f field) tree(keep func(ref string) bool) any {
	switch {
	case !f.given():
		return nil
	case f.depth > maxDepth:
		f.fail("put less into each other", "values lie in each other more than %d deep", maxDepth)
		return nil
	case f.node.Kind == yaml.ScalarNode:
		return f.leaf(keep)
	case f.node.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(f.node.Content))
		for _, item := range f.items("a list") {
			list = append(list, item.tree(keep))
		}
		return list
	}
	m := make(map[string]any)
	for _, e := range f.entries("key: value") {
		m[e.name] = e.tree(keep)
	}
	return m
}

// leaf reads a scalar as JSON data. Dates stay text, as in JSON. An unquoted
// reference to config has the type that its value would have in its place.
// A secret is text, unless it stands where numbers are hidden, too.
func (f field) leaf(keep func(string) bool) any {
	switch f.node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		return f.guarded(f.number())
	}
	v, _ := f.parsed(keep)
	if text, ok := v.(string); ok && f.node.Style == 0 && configOnly.MatchString(f.node.Value) {
		filled := f
		filled.node = &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		if tag := filled.node.ShortTag(); tag == "!!null" || tag == "!!bool" || tag == "!!int" || tag == "!!float" {
			return filled.leaf(keep)
		}
	}
	f.remember(v, false)
	return v
}

var configOnly = regexp.MustCompile(`^\$\{config\.[^}]*\}$`)

// maxExact is the largest whole number that JSON's float64 holds exactly.
const maxExact = 1 << 53

func (f field) number() any {
	var v any
	if err := f.node.Decode(&v); err != nil {
		f.fail("quote it if it is text", "%q is not a number", f.shown(f.node.Value))
		return nil
	}
	switch v := v.(type) {
	case bool:
		return v
	case int:
		if v <= maxExact && v >= -maxExact {
			return float64(v)
		}
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	f.fail("quote it if it is text", "%q is not a number that JSON can hold exactly", f.shown(f.node.Value))
	return nil
}
