package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// NamePath is the path of a reference to a physical name. It is the one
// reference that a resource may make to itself.
const NamePath = "@name"

// Ref is one reference found in a property.
type Ref struct {
	Key    Key
	Path   string // VpcId, status.loadBalancer.ingress.0.hostname, @name
	Lookup string // set instead for ${ssm:...}: the parameter path
}

func (r Ref) String() string {
	if r.Lookup != "" {
		return "${ssm:" + r.Lookup + "}"
	}
	return "${" + r.Key.String() + ":" + r.Path + "}"
}

// To is the text of a reference to an output of the resource.
func (k Key) To(path string) string { return Ref{Key: k, Path: path}.String() }

// Escape makes text that may hold "${" safe to stand in a property: it is
// read back as it was.
func Escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// Refs lists the references in a property tree in order (maps by key), each
// once. What is not a well-formed reference is left to Validate and Resolve.
func Refs(v any) []Ref {
	var refs []Ref
	walk(v, func(text string) {
		parts, _ := Split(text)
		for _, p := range parts {
			if p.Ref != nil && !slices.Contains(refs, *p.Ref) {
				refs = append(refs, *p.Ref)
			}
		}
	})
	return refs
}

// malformed lists what looks like a reference and is none.
func malformed(v any) []error {
	var errs []error
	walk(v, func(text string) {
		if _, err := Split(text); err != nil {
			errs = append(errs, err)
		}
	})
	return errs
}

// walk calls visit for every string of a property tree, maps by key.
func walk(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, e := range v {
			walk(e, visit)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			walk(v[k], visit)
		}
	}
}

// Part is a piece of a string property: plain text, or a reference.
type Part struct {
	Text string
	Ref  *Ref
}

// Split takes a string property apart. After an error the parts that could be
// read are still returned.
func Split(s string) ([]Part, error) {
	var parts []Part
	var errs []error
	for _, p := range Scan(s) {
		if !p.Inside {
			parts = append(parts, Part{Text: p.Text})
			continue
		}
		ref, err := ParseRef(p.Text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		parts = append(parts, Part{Ref: &ref})
	}
	return parts, errors.Join(errs...)
}

// Span is a piece of a string: what stands between "${" and "}", or plain
// text with its "$${" already turned into "${".
type Span struct {
	Text   string
	Inside bool
}

// Scan finds "${...}" in s without asking what it means. A "${" that is never
// closed is plain text.
func Scan(s string) []Span {
	var spans []Span
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			spans = append(spans, Span{Text: text.String()})
			text.Reset()
		}
	}
	for s != "" {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		if i > 0 && s[i-1] == '$' {
			text.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			break
		}
		text.WriteString(s[:i])
		flush()
		spans = append(spans, Span{Text: s[i+2 : i+end], Inside: true})
		s = s[i+end+1:]
	}
	text.WriteString(s)
	flush()
	return spans
}

// ParseRef reads what stands between "${" and "}".
func ParseRef(s string) (Ref, error) {
	if path, ok := strings.CutPrefix(s, "ssm:"); ok {
		if !strings.HasPrefix(path, "/") {
			return Ref{}, fmt.Errorf("${%s}: a parameter path starts with /", s)
		}
		return Ref{Lookup: path}, nil
	}
	typ, rest, err := cutType(s)
	if err != nil {
		return Ref{}, err
	}
	name, path, _ := strings.Cut(rest, ":")
	if name == "" || path == "" {
		return Ref{}, fmt.Errorf("${%s}: want ${Type/Name:path}", s)
	}
	return Ref{Key: Key{Type: typ, Name: name}, Path: path}, nil
}

// ParseKey reads Type/Name, as Key.String writes it.
func ParseKey(s string) (Key, error) {
	typ, name, err := cutType(s)
	if err != nil || name == "" {
		return Key{}, fmt.Errorf("%q: want Type/Name", s)
	}
	return Key{Type: typ, Name: name}, nil
}

// cutType separates the type from what follows it. An AWS type holds "::" and
// no slash; a Kubernetes type ends with the first segment that starts with a
// capital letter, its kind.
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

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
