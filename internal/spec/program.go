package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/internal/wire"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Runner builds the program in a folder of the project, and asks it.
type Runner func(folder string, q wire.Question) (wire.Answer, error)

// programSections are what a program says in place of the file.
var programSections = []string{"providers", "cluster", "nodeGroups", "workloads", "guard", "outputs", "resources"}

// programmed puts what the program says where the file would have said it: from
// there on nobody tells them apart, but for the places.
func (l *loader) programmed(o *object) {
	f := o.get("program")
	if !f.given() {
		return
	}
	for _, section := range programSections {
		if given := o.get(section); given.given() {
			given.fail("move it into the program, or remove program", "the program says what the stack has, and the file does, too")
		}
	}
	folder, ok := f.word("program: ./infra")
	if !ok || !l.hasFolder(f, folder) || len(l.problems) > 0 {
		return
	}
	answer, err := l.ask(folder)
	if err != nil {
		l.refused(f, err)
		return
	}
	for _, failure := range answer.Failures {
		at := problem.Place{File: cmp.Or(failure.At.File, path.Clean(folder)), Line: failure.At.Line}
		l.fail(at, failure.Op, cmp.Or(failure.Fix, "correct the program"), "%s", failure.Text)
	}
	l.fill(o, answer.Entries)
}

func (l *loader) hasFolder(f field, folder string) bool {
	clean := path.Clean(folder)
	info, err := fs.Stat(l.fsys, clean)
	switch {
	case !fs.ValidPath(clean):
		f.fail("write it relative to drover.yaml, as in program: ./infra", "%q leads out of the project folder", folder)
	case err != nil || !info.IsDir():
		f.fail("name the folder of a main package in Go", "%q is no folder", folder)
	default:
		return true
	}
	return false
}

func (l *loader) ask(folder string) (wire.Answer, error) {
	if l.run == nil {
		return wire.Answer{}, remedy("take out program, or run a command that reads the whole stack file", "programs are not run here")
	}
	q := wire.Question{Protocol: wire.Version, Project: l.spec.Name, Stack: l.stack, Config: map[string]string{}}
	for _, key := range l.config.keys() {
		if text, plain := l.config[key].(string); plain {
			q.Config[key] = text
		} else {
			q.Secrets = append(q.Secrets, key)
		}
	}
	answer, err := l.run(folder, q)
	if err == nil && answer.Protocol != wire.Version {
		err = remedy("go get github.com/droverhq/drover in the program's module, at this drover's version (drover version)",
			"%s", fmt.Sprintf("the program speaks version %d of the protocol, and this drover version %d", answer.Protocol, wire.Version))
	}
	return answer, err
}

// refused tells why there is no answer.
func (l *loader) refused(f field, err error) {
	p := &problem.Error{Kind: problem.Usage, Err: err, Fix: "correct the program"}
	var known *problem.Error
	if errors.As(err, &known) {
		p = known
	}
	p.At, p.Op = f.at, f.path
	l.problems = append(l.problems, p)
}

// fill makes the sections of what the program registered.
func (l *loader) fill(o *object, entries []wire.Entry) {
	for _, e := range entries {
		at := problem.Place{File: e.At.File, Line: e.At.Line}
		node, err := jsonNode(e.Value, e.At.Line)
		switch {
		case err != nil:
			l.fail(at, e.Section, "build the program with the library of this drover's version", "not what drover understands: %v", err)
			continue
		case !slices.Contains(programSections, e.Section):
			l.fail(at, e.Section, "build the program with the library of this drover's version", "unknown section")
			continue
		}
		l.places[node] = at
		o.values[e.Section] = o.child(e.Section, added(o.values[e.Section].node, e, node), o.at.Line)
	}
}

// added is a section with one more entry.
func added(section *yaml.Node, e wire.Entry, value *yaml.Node) *yaml.Node {
	if e.Name == "" && e.Section != wire.ListSection {
		return value
	}
	if section == nil {
		section = &yaml.Node{Kind: yaml.MappingNode, Line: e.At.Line}
	}
	if e.Section == wire.ListSection {
		section.Kind = yaml.SequenceNode
	} else {
		section.Content = append(section.Content, textNode(e.Name, e.At.Line))
	}
	section.Content = append(section.Content, value)
	return section
}

// jsonNode is JSON as the file's reader has YAML, all of it in one line of the program.
func jsonNode(text []byte, line int) (*yaml.Node, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return nodeOf(tree, line), nil
}

func nodeOf(tree any, line int) *yaml.Node {
	switch tree := tree.(type) {
	case map[string]any:
		if secret, is := tree[wire.SecretKey].(string); is && len(tree) == 1 {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: secretTag, Value: value.Escape(secret), Line: line}
		}
		m := &yaml.Node{Kind: yaml.MappingNode, Line: line}
		for _, key := range slices.Sorted(maps.Keys(tree)) {
			m.Content = append(m.Content, textNode(key, line), nodeOf(tree[key], line))
		}
		return m
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode, Line: line}
		for _, item := range tree {
			list.Content = append(list.Content, nodeOf(item, line))
		}
		return list
	case string:
		return textNode(tree, line)
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(tree.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: tree.String(), Line: line}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(tree), Line: line}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: line}
}

func textNode(text string, line int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text, Line: line}
}
