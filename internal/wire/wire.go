// Package wire is what crosses between drover and a program in Go that says
// what a stack has: the question on the program's standard input, the answer on
// its standard output, both JSON. It imports the standard library alone, since
// the user's program is built with it.
//
// An answer is data of the same shape as the sections of drover.yaml, with the
// place of each entry in the program. References in it are text, as in the file
// ("${cluster.endpoint}"), and package spec reads and judges the one as the other.
package wire

import "encoding/json"

// Version of the protocol. A change that an older side would misunderstand
// makes a new one.
const Version = 1

// Question is what the program is told.
type Question struct {
	Protocol int               `json:"protocol"`
	Project  string            `json:"project"`
	Stack    string            `json:"stack"`
	Config   map[string]string `json:"config,omitempty"`  // what is not secret
	Secrets  []string          `json:"secrets,omitempty"` // keys of the config whose values are
}

// Answer is what the program says.
type Answer struct {
	Protocol int       `json:"protocol"`
	Entries  []Entry   `json:"entries"`
	Failures []Failure `json:"failures,omitempty"`
}

// Entry is one entry of one section.
type Entry struct {
	Section string          `json:"section"`        // nodeGroups
	Name    string          `json:"name,omitempty"` // web; empty: the section has no names
	Value   json.RawMessage `json:"value"`
	At      Place           `json:"at"`
}

// Place is a line of the program.
type Place struct {
	File string `json:"file,omitempty"` // as the compiler knows it
	Line int    `json:"line,omitempty"`
}

// Failure is why the program could not say what the stack has.
type Failure struct {
	Op   string `json:"op,omitempty"`
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
	At   Place  `json:"at"`
}

// SecretKey is the one key of a mapping that stands for a secret: its value is
// what nobody may see.
const SecretKey = "drover:secret"

// EnvMark is set in the environment of a program that drover runs.
const EnvMark = "DROVER_PROGRAM"

func (f Failure) String() string {
	text := f.Text
	if f.Op != "" {
		text = f.Op + ": " + text
	}
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return text
}

// Sections are the entries in the shape of drover.yaml: a mapping for those with
// names, a list for guards, and the value itself for the rest.
func Sections(entries []Entry) map[string]any {
	sections := map[string]any{}
	for _, e := range entries {
		switch section := sections[e.Section].(type) {
		case map[string]any:
			section[e.Name] = e.Value
		case []any:
			sections[e.Section] = append(section, e.Value)
		default:
			sections[e.Section] = first(e)
		}
	}
	return sections
}

func first(e Entry) any {
	switch {
	case e.Name != "":
		return map[string]any{e.Name: e.Value}
	case e.Section == ListSection:
		return []any{e.Value}
	}
	return e.Value
}

// ListSection is the section that is a list.
const ListSection = "guard"
