package value

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// The grammar of text with references, of which this file is the only reader:
//
//	text  = { plain | "$${" | "${" reference "}" }
//	reference = "ssm:/" path | word | Type "/" Name ":" Path
//
// "$${" stands for a plain "${". Files hold words (cluster.endpoint), which
// package spec replaces; what the state stores leads to resources.

const lookupPrefix = "ssm:"

// What Parse refuses.
var (
	ErrUnclosed = errors.New(`a "${" is never closed`)
	ErrEmpty    = errors.New(`"${}" names nothing`)
)

// Parse reads text from a file: a string if it holds no reference, else an
// *Expr whose references are words and lookups.
func Parse(s string) (any, error) {
	parts, flaw := scan(s, nil)
	if flaw != nil {
		return nil, flaw
	}
	return fromParts(parts), nil
}

// ParseOnly is Parse for text that is full of "${…}" of other programs: only
// what keep says is a reference, the rest is plain text, closed or not.
func ParseOnly(s string, keep func(word string) bool) any {
	parts, _ := scan(s, keep)
	return fromParts(parts)
}

// Escape makes text that may hold "${" read back as it is.
func Escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// scan takes text apart. What is no reference is text; the first such is told.
func scan(s string, keep func(string) bool) (parts []Part, flaw error) {
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			return join(parts, Part{Text: s}), flaw
		}
		if i > 0 && s[i-1] == '$' {
			parts = join(parts, Part{Text: s[:i-1] + "${"})
			s = s[i+2:]
			continue
		}
		length := strings.IndexByte(s[i:], '}')
		if length < 0 {
			return join(parts, Part{Text: s}), cmp.Or(flaw, ErrUnclosed)
		}
		parts = join(parts, Part{Text: s[:i]})
		word := s[i+2 : i+length]
		if word == "" {
			flaw = cmp.Or(flaw, ErrEmpty)
		}
		if word == "" || keep != nil && !keep(word) {
			parts = join(parts, Part{Text: "${" + word + "}"})
		} else {
			parts = append(parts, Part{Ref: wordRef(word)})
		}
		s = s[i+length+1:]
	}
}

func wordRef(word string) Ref {
	if path, ok := strings.CutPrefix(word, lookupPrefix); ok && strings.HasPrefix(path, "/") {
		return Ref{Lookup: path}
	}
	if strings.HasPrefix(word, AddonPrefix) {
		return Ref{Lookup: word}
	}
	return Ref{Word: word}
}

// parseStored reads what Expr.String wrote for an expression whose references
// lead to resources.
func parseStored(s string) (*Expr, error) {
	parts, _ := scan(s, nil)
	e, ok := fromParts(parts).(*Expr)
	if !ok {
		return nil, fmt.Errorf("%q holds no reference", s)
	}
	for i, p := range parts {
		if p.Ref.Word == "" {
			continue
		}
		ref, err := parseRef(p.Ref.Word)
		if err != nil {
			return nil, err
		}
		parts[i].Ref = ref
	}
	return e, nil
}

// parseRef reads Type/Name:path. A name holds no colon: package spec writes
// the colon of a Kubernetes name (system:x) as "%3A".
func parseRef(s string) (Ref, error) {
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
