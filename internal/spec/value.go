package spec

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/internal/graph"
)

// text reads a string that may hold references.
func (f field) text(what string) string {
	value, ok := f.scalar("!!str", "text", "quote it: "+what)
	if ok && hasReference(value) {
		f.texts = append(f.texts, text{value: value, path: f.path, at: f.at, flat: true})
	}
	return value
}

// word reads a string that holds no reference, except to config.
func (f field) word(what string) (string, bool) {
	value, ok := f.scalar("!!str", "text", "quote it: "+what)
	if !ok {
		return "", false
	}
	if hasReference(value) {
		f.fail("write it out, as in "+what, "%q: only ${config.KEY} can stand here", value)
		return "", false
	}
	return plain(value), true
}

// integer reads a whole number.
func (f field) integer() (int, bool) {
	value, ok := f.scalar("!!int", "a whole number", "write it without quotes, as in 3")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		f.fail("write it as in 3", "%q is not a whole number", value)
		return 0, false
	}
	return n, true
}

// scalar reads one value with its references to config filled in. A value
// that comes from config alone may have any type there.
func (f field) scalar(tag, want, fix string) (string, bool) {
	if !f.given() {
		return "", false
	}
	if f.node.Kind != yaml.ScalarNode {
		f.wrongType(want, fix)
		return "", false
	}
	value, ok := f.fillConfig(f.node.Value)
	if !ok {
		return "", false
	}
	if f.node.ShortTag() != tag && (value == f.node.Value || tag == "!!str") {
		f.wrongType(want, fix)
		return "", false
	}
	return value, true
}

var unclosed = regexp.MustCompile(`(^|[^$])\$\{[^}]*$`)

// fillConfig replaces the references to config; the others stay.
func (f field) fillConfig(s string) (string, bool) {
	if !strings.Contains(s, "${") {
		return s, true
	}
	if unclosed.MatchString(s) {
		f.fail(`close it, or write "$${" for a plain "${"`, `%q: a "${" is never closed`, s)
		return "", false
	}
	var b strings.Builder
	ok := true
	for _, span := range graph.Scan(s) {
		key, isConfig := strings.CutPrefix(span.Text, "config.")
		switch {
		case !span.Inside:
			b.WriteString(graph.Escape(span.Text))
		case !isConfig:
			b.WriteString("${" + span.Text + "}")
		default:
			value, known := f.config[key]
			if !known {
				f.fail(fmt.Sprintf("drover config set %s VALUE", key), "${config.%s}: stack %q has no such config%s",
					key, f.stack, didYouMean(key, f.config.keys()))
				ok = false
			}
			b.WriteString(graph.Escape(value))
		}
	}
	return b.String(), ok
}

// tree reads a value of any kind as JSON data. keep says which references are
// meant for Drover (nil: all); the others stay as they are, as plain text.
func (f field) tree(keep func(ref string) bool) any { return f.treeWithin(nil, keep) }

// treeWithin knows the mappings and lists around a value: an alias to one of
// them would never end.
func (f field) treeWithin(around []*yaml.Node, keep func(string) bool) any {
	switch {
	case !f.given():
		return nil
	case slices.Contains(around, f.node):
		f.fail("remove the alias", "the alias stands within what it stands for")
		return nil
	case f.node.Kind == yaml.ScalarNode:
		return f.leaf(keep)
	}
	around = append(around, f.node)
	if f.node.Kind == yaml.SequenceNode {
		list := make([]any, 0, len(f.node.Content))
		for _, item := range f.items("a list") {
			list = append(list, item.treeWithin(around, keep))
		}
		return list
	}
	m := make(map[string]any)
	for _, e := range f.entries("key: value") {
		m[e.name] = e.treeWithin(around, keep)
	}
	return m
}

// leaf reads a scalar as JSON data. Dates stay text, as in JSON. An unquoted
// reference to config has the type that its value would have in its place.
func (f field) leaf(keep func(string) bool) any {
	switch f.node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		return f.number()
	}
	value := f.node.Value
	if keep != nil {
		value = keepOnly(value, keep)
	}
	value, _ = f.fillConfig(value)
	if f.node.Style == 0 && configOnly.MatchString(f.node.Value) && value != f.node.Value {
		f.node = &yaml.Node{Kind: yaml.ScalarNode, Value: plain(value)}
		if tag := f.node.ShortTag(); tag != "!!str" {
			return f.leaf(keep)
		}
		return value
	}
	if hasReference(value) {
		f.texts = append(f.texts, text{value: value, path: f.path, at: f.at})
	}
	return value
}

var configOnly = regexp.MustCompile(`^\$\{config\.[^}]*\}$`)

// maxExact is the largest whole number that JSON's float64 holds exactly.
const maxExact = 1 << 53

func (f field) number() any {
	var v any
	if err := f.node.Decode(&v); err != nil {
		f.fail("quote it if it is text", "%q is not a number: %v", f.node.Value, err)
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
	f.fail("quote it if it is text", "%q is not a number that JSON can hold exactly", f.node.Value)
	return nil
}

// keepOnly turns the references that keep does not want into plain text.
func keepOnly(s string, keep func(string) bool) string {
	if !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for _, span := range graph.Scan(s) {
		switch {
		case !span.Inside:
			b.WriteString(graph.Escape(span.Text))
		case keep(span.Text):
			b.WriteString("${" + span.Text + "}")
		default:
			b.WriteString("$${" + span.Text + "}")
		}
	}
	return b.String()
}

func hasReference(s string) bool {
	for _, span := range graph.Scan(s) {
		if span.Inside {
			return true
		}
	}
	return false
}

// plain is a string without references as it is meant: "$${" read as "${".
func plain(s string) string {
	var b strings.Builder
	for _, span := range graph.Scan(s) {
		b.WriteString(span.Text)
	}
	return b.String()
}
