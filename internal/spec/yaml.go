package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/problem"
)

// reader collects what reading several files finds.
type reader struct {
	config   Config
	stack    string
	problems problem.List
	texts    []text       // every string that holds a reference
	merging  []*yaml.Node // the mappings whose "<<" is being read
}

// text is a string with references, and where it stands.
type text struct {
	value string
	path  string
	at    problem.Place
	flat  bool // a list cannot stand here
}

func (r *reader) fail(at problem.Place, op, fix, format string, args ...any) {
	r.problems = append(r.problems, &problem.Error{
		Kind: problem.Usage, At: at, Op: op, Err: fmt.Errorf(format, args...), Fix: fix,
	})
}

// documents parses a file into its YAML documents, without the empty ones.
func (r *reader) documents(file string, data []byte) []field {
	var docs []field
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			line, what := syntaxError(err)
			r.fail(problem.Place{File: file, Line: line}, "", "correct the YAML: indentation, quotes, a missing colon",
				"not YAML: %s", what)
			return docs
		}
		if root := node.Content[0]; !isNull(root) {
			docs = append(docs, field{reader: r, node: root, at: problem.Place{File: file, Line: root.Line}})
		}
	}
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError takes the line out of the message: the library's error has no
// field for it. What its parser (not its scanner) finds is counted from 0.
func syntaxError(err error) (line int, what string) {
	match := syntaxLine.FindStringSubmatch(err.Error())
	if match == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(match[1])
	what = strings.TrimPrefix(err.Error(), match[0])
	if strings.HasPrefix(what, "did not find expected") {
		line++
	}
	return line, what
}

// field is one value of a file: where it stands, and what the user calls it.
type field struct {
	*reader
	node *yaml.Node // nil: not given
	at   problem.Place
	path string // nodeGroups.web.instanceType
}

func (f field) given() bool { return f.node != nil }

func (f field) fail(fix, format string, args ...any) {
	f.reader.fail(f.at, f.path, fix, format, args...)
}

// wrongType reports a value of another kind than wanted.
func (f field) wrongType(want, fix string) { f.fail(fix, "want %s, have %s", want, describe(f.node)) }

func (f field) child(name string, node *yaml.Node, line int) field {
	path := name
	if f.path != "" {
		path = f.path + "." + name
	}
	return field{reader: f.reader, node: follow(node), at: problem.Place{File: f.at.File, Line: line}, path: path}
}

// entry is one key of a mapping with its value.
type entry struct {
	name string
	field
}

// entries reads a mapping whose keys the user chose. A key that is given
// twice is reported, and its first value stands.
func (f field) entries(what string) []entry {
	if !f.given() {
		return nil
	}
	if f.node.Kind != yaml.MappingNode {
		f.wrongType("a mapping", "write it as "+what)
		return nil
	}
	var entries, merged []entry
	lines := make(map[string]int)
	for i := 0; i < len(f.node.Content); i += 2 {
		key, value := f.node.Content[i], f.node.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, f.merged(value, what)...)
			continue
		}
		e := entry{name: key.Value, field: f.child(key.Value, value, key.Line)}
		if first, twice := lines[key.Value]; twice {
			e.fail("remove one of the two", "given twice, first in line %d", first)
			continue
		}
		lines[key.Value] = key.Line
		entries = append(entries, e)
	}
	for _, e := range merged {
		if _, overridden := lines[e.name]; !overridden {
			lines[e.name] = e.at.Line
			entries = append(entries, e)
		}
	}
	return entries
}

// merged reads what "<<" brings in: a mapping or a list of them, earlier ones first.
func (f field) merged(node *yaml.Node, what string) []entry {
	if slices.Contains(f.merging, f.node) {
		f.fail("remove the <<", "<< merges the mapping into itself")
		return nil
	}
	f.merging = append(f.merging, f.node)
	defer func() { f.merging = f.merging[:len(f.merging)-1] }()
	from := f
	from.node = follow(node)
	if !from.given() || from.node.Kind != yaml.SequenceNode {
		return from.entries(what)
	}
	var entries []entry
	for _, item := range from.items(what) {
		entries = append(entries, item.entries(what)...)
	}
	return entries
}

// object is a mapping whose keys are known.
type object struct {
	field
	values map[string]field
}

// object reads a mapping that may have the given keys and no others.
func (f field) object(what string, keys ...string) (object, bool) {
	o := object{field: f, values: make(map[string]field)}
	if f.given() && f.node.Kind != yaml.MappingNode {
		f.wrongType("a mapping", "write it as "+what)
		return o, false
	}
	known := make(map[string]bool, len(keys))
	for _, k := range keys {
		known[k] = true
	}
	for _, e := range f.entries(what) {
		if !known[e.name] {
			e.fail("remove or rename it; the keys are "+strings.Join(keys, ", "), "unknown key%s", didYouMean(e.name, keys))
			continue
		}
		o.values[e.name] = e.field
	}
	return o, true
}

// get is the value of a key; one that is not given stands where the mapping does.
func (o object) get(key string) field {
	if f, ok := o.values[key]; ok {
		return f
	}
	return o.child(key, nil, o.at.Line)
}

// need is get for a key that must be given.
func (o object) need(key, fix string) field {
	f := o.get(key)
	if !f.given() {
		f.fail(fix, "is missing")
	}
	return f
}

// items reads a list.
func (f field) items(what string) []field {
	if !f.given() {
		return nil
	}
	if f.node.Kind != yaml.SequenceNode {
		f.wrongType("a list", "write it as "+what)
		return nil
	}
	items := make([]field, len(f.node.Content))
	for i, node := range f.node.Content {
		items[i] = field{
			reader: f.reader, node: follow(node), path: fmt.Sprintf("%s[%d]", f.path, i),
			at: problem.Place{File: f.at.File, Line: node.Line},
		}
	}
	return items
}

// follow replaces an alias by what it stands for, and null by nil.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if isNull(n) {
		return nil
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func describe(n *yaml.Node) string {
	switch {
	case n == nil:
		return "nothing"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the yes/no value " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return fmt.Sprintf("the text %q", n.Value)
}
