package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/internal/render"
	"github.com/droverhq/drover/problem"
)

// reader collects what reading several files finds.
type reader struct {
	config   Config
	stack    string
	problems problem.List
	texts    []text // every value that holds a reference
	aliased  int    // values that were read through aliases

	foreign map[string]*foreign // other stacks that this one refers to
	others  Outputs             // reads their outputs; nil: none are read

	places map[*yaml.Node]problem.Place // of values that stand in another file than what they lie in

	encryption Encryption // of the config
}

// text is a value with references, and where it stands.
type text struct {
	value any
	path  string
	at    problem.Place
	flat  bool // a list cannot stand here
}

func (r *reader) fail(at problem.Place, op, fix, format string, args ...any) {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = short(text)
		}
	}
	r.problems = append(r.problems, &problem.Error{
		Kind: problem.Usage, At: at, Op: short(op), Err: fmt.Errorf(format, args...), Fix: fix,
	})
}

// maxQuote is how many bytes of the user's text an error repeats.
const maxQuote = 200

// short cuts text that would make an error longer than a person reads.
func short(text string) string {
	if len(text) <= maxQuote {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuote], "") + fmt.Sprintf("… (%d characters)", utf8.RuneCountInString(text))
}

// file reads a regular file of bounded size. A pipe or a device is not opened,
// as reading it may never end.
func (r *reader) file(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is %s, not a file", name, kindOfFile(info.Mode()))
	case info.Size() > render.MaxFile:
		return nil, fmt.Errorf("%s has %d MB; %d are read at most", name, info.Size()>>20, render.MaxFile>>20)
	}
	return render.ReadFile(fsys, name)
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// legible reports bytes that no YAML file holds, with their line: the library
// does not tell it.
func (r *reader) legible(file string, data []byte) bool {
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		what, fix := "", "remove it"
		switch {
		case c == utf8.RuneError && size == 1:
			what, fix = "not UTF-8", "save the file as UTF-8"
		case c == 0:
			what = "a NUL byte"
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c == 0x7f:
			what = fmt.Sprintf("the control character 0x%02x", c)
		}
		if what != "" {
			at := problem.Place{File: file, Line: 1 + bytes.Count(data[:i], []byte("\n"))}
			r.fail(at, "", fix, "not YAML: %s", what)
			return false
		}
		i += size
	}
	return true
}

// documents parses a file into its YAML documents, without the empty ones.
func (r *reader) documents(file string, data []byte) []field {
	var docs []field
	if !r.legible(file, data) {
		return nil
	}
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			line, what := syntaxError(err)
			fix := "correct the YAML: indentation, quotes, a missing colon"
			if m := unknownAnchor.FindStringSubmatch(what); m != nil {
				line = lineOfAlias(data, m[1])
				fix = "define it further up: &" + short(m[1]) + " before a value; or quote the text if no alias is meant"
			}
			r.fail(problem.Place{File: file, Line: line}, "", fix, "not YAML: %s", what)
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

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)

// lineOfAlias finds the first "*name" where a value can stand; 0 if there is none.
func lineOfAlias(data []byte, name string) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		for rest := line; ; {
			at := bytes.Index(rest, []byte("*"+name))
			if at < 0 {
				break
			}
			if at == 0 || bytes.IndexByte([]byte(" \t[{,:"), rest[at-1]) >= 0 {
				return i + 1
			}
			rest = rest[at+1:]
		}
	}
	return 0
}

// field is one value of a file: where it stands, and what the user calls it.
type field struct {
	*reader
	node *yaml.Node // nil: not given
	at   problem.Place
	path string // nodeGroups.web.instanceType

	depth   int        // how deep it lies in the document
	hidden  bool       // it is a part of something secret
	aliased bool       // it is read through an alias
	within  *enclosure // what it lies in
}

// enclosure is the mappings and lists around a value, innermost first.
type enclosure struct {
	node *yaml.Node
	in   *enclosure
}

func (e *enclosure) holds(n *yaml.Node) bool {
	for ; e != nil; e = e.in {
		if e.node == n {
			return true
		}
	}
	return false
}

func (f field) given() bool { return f.node != nil }

func (f field) fail(fix, format string, args ...any) {
	f.reader.fail(f.at, f.path, fix, format, args...)
}

// wrongType reports a value of another kind than wanted.
func (f field) wrongType(want, fix string) {
	have := describe(f.node)
	if f.secret() && f.node.Kind == yaml.ScalarNode {
		have = "a secret"
	}
	f.fail(fix, "want %s, have %s", want, have)
}

func (f field) child(name string, node *yaml.Node, line int) field {
	path := name
	if f.path != "" {
		path = f.path + "." + name
	}
	return f.inner(path, node, line)
}

// maxAliased bounds what aliases unfold to in one project. Thousands of lines
// of shared settings stay far below; a few lines of aliases to lists of aliases
// do not.
const maxAliased = 100_000

// inner is a value that lies in this one. One that an alias would repeat for
// ever, or too often, is reported and left out.
func (f field) inner(path string, node *yaml.Node, line int) field {
	in := field{
		reader: f.reader, at: problem.Place{File: f.at.File, Line: line}, path: path,
		depth: f.depth + 1, hidden: f.secret(), aliased: f.aliased, within: &enclosure{f.node, f.within},
	}
	for node != nil && node.Kind == yaml.AliasNode {
		node, in.aliased = node.Alias, true
		if in.within.holds(node) {
			in.fail("remove the alias", "the alias stands within what it stands for")
			return in
		}
	}
	if in.aliased {
		if f.reader.aliased++; f.reader.aliased > maxAliased {
			if f.reader.aliased == maxAliased+1 {
				in.fail("write less with aliases", "aliases unfold to more than %d values", maxAliased)
			}
			return in
		}
	}
	in.node = follow(node)
	if at, elsewhere := f.places[node]; elsewhere {
		in.at = at
	}
	return in
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
	if f.reader.aliased > maxAliased {
		return nil
	}
	from := f.inner(f.path, node, node.Line)
	from.at = f.at
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
		items[i] = f.inner(fmt.Sprintf("%s[%d]", f.path, i), node, node.Line)
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
	if n.Tag == secretTag {
		return "a secret"
	}
	return fmt.Sprintf("the text %q", short(n.Value))
}
