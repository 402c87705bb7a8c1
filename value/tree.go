package value

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Refs lists the references in a tree in order (maps by key), each once.
func Refs(v any) []Ref {
	var refs []Ref
	seen := make(map[Ref]bool)
	EachRef(v, func(r Ref) {
		if !seen[r] {
			seen[r] = true
			refs = append(refs, r)
		}
	})
	return refs
}

// EachRef calls visit for every reference in a tree, maps by key.
func EachRef(v any, visit func(Ref)) {
	switch v := v.(type) {
	case *Expr:
		for _, p := range v.parts {
			if p.Ref != (Ref{}) {
				visit(p.Ref)
			}
		}
	case Secret:
		if plain, err := v.Reveal(); err == nil {
			EachRef(plain, visit)
		}
	case []any:
		for _, e := range v {
			EachRef(e, visit)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			EachRef(v[k], visit)
		}
	}
}

// base64Function is the one function that properties may hold.
const base64Function = "Fn::Base64"

// Resolve is a copy of the tree with every reference replaced by what get
// answers. An expression that is one reference takes the value with its type;
// within longer text it becomes text. What holds a secret is secret, and what
// holds something unknown is unknown. {"Fn::Base64": "text"} becomes the
// encoded text, as in CloudFormation.
func Resolve(v any, get func(Ref) (any, error)) (any, error) {
	switch v := v.(type) {
	case *Expr:
		return v.resolve(get)
	case Secret:
		plain, err := v.Reveal()
		if err != nil {
			return nil, err
		}
		if !dynamic(plain) {
			return v, nil // with the text under which it is sealed
		}
		r, err := Resolve(plain, get)
		return Hide(r), err
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			r, err := Resolve(e, get)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			list[i] = r
		}
		return list, nil
	case map[string]any:
		return resolveMap(v, get)
	}
	return v, nil
}

// dynamic reports that resolving a value would change it.
func dynamic(v any) bool {
	switch v := v.(type) {
	case *Expr:
		return true
	case Secret:
		plain, err := v.Reveal()
		return err == nil && dynamic(plain)
	case []any:
		return slices.ContainsFunc(v, dynamic)
	case map[string]any:
		_, function := v[base64Function]
		return function || slices.ContainsFunc(slices.Collect(maps.Values(v)), dynamic)
	}
	return false
}

func resolveMap(v map[string]any, get func(Ref) (any, error)) (any, error) {
	m := make(map[string]any, len(v))
	for _, k := range slices.Sorted(maps.Keys(v)) {
		r, err := Resolve(v[k], get)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		m[k] = r
	}
	encode, ok := m[base64Function]
	if !ok || len(m) != 1 {
		return m, nil
	}
	return encodeBase64(encode)
}

func encodeBase64(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return base64.StdEncoding.EncodeToString([]byte(v)), nil
	case Unknown:
		return v, nil
	case Secret:
		plain, err := v.Reveal()
		if err != nil {
			return nil, err
		}
		encoded, err := encodeBase64(plain)
		return Hide(encoded), err
	}
	return nil, fmt.Errorf("%s: want text, have %T", base64Function, v)
}

func (e *Expr) resolve(get func(Ref) (any, error)) (any, error) {
	if ref, alone := e.Alone(); alone {
		v, err := get(ref)
		return clone(v), err
	}
	var b strings.Builder
	secret, unknown := false, false
	for _, p := range e.parts {
		var v any = p.Text
		var err error
		switch {
		case p.Secret.given():
			if v, err = Resolve(p.Secret, get); err != nil {
				return nil, err
			}
		case !p.isText():
			if v, err = get(p.Ref); err != nil {
				return nil, err
			}
		}
		if HasSecret(v) {
			secret = true
			if v, err = Reveal(v); err != nil {
				return nil, err
			}
		}
		if _, ok := v.(Unknown); ok {
			unknown = true
			continue
		}
		text, err := asText(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Ref, err)
		}
		b.WriteString(text)
	}
	var v any = b.String()
	if unknown {
		v = NotYet(e)
	}
	if secret {
		v = Hide(v)
	}
	return v, nil
}

// asText is how a value reads within longer text.
func asText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, float64, int, int64, json.Number:
		text, err := json.Marshal(v)
		return string(text), err
	}
	return "", fmt.Errorf("%T cannot stand within text", v)
}

// clone keeps the copy that Resolve returns apart from what get handed out.
func clone(v any) any { return rebuilt(v, func(leaf any) any { return leaf }) }

// rebuilt is a copy of a tree's lists and maps, with every leaf as leaf returns it.
func rebuilt(v any, leaf func(any) any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = rebuilt(e, leaf)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = rebuilt(e, leaf)
		}
		return m
	}
	return leaf(v)
}

// Get reads a value by its path: a.b.0.c. Keys may hold dots themselves
// (metadata.labels.app.kubernetes.io/name): the longest key that leads to a
// value wins. What lies within a secret is secret.
func Get(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	switch v := v.(type) {
	case Secret:
		plain, err := v.Reveal()
		if err != nil {
			return nil, false
		}
		found, ok := Get(plain, path)
		return Hide(found), ok
	case map[string]any:
		return getKey(v, path)
	case []any:
		head, rest, more := strings.Cut(path, ".")
		i, err := strconv.Atoi(head)
		if err != nil || i < 0 || i >= len(v) || more && rest == "" {
			return nil, false
		}
		return Get(v[i], rest)
	}
	return nil, false
}

// getKey tries the whole path as a key first, and then without its last parts.
func getKey(m map[string]any, path string) (any, bool) {
	if e, ok := m[path]; ok {
		return e, true
	}
	for end := strings.LastIndexByte(path, '.'); end >= 0; end = strings.LastIndexByte(path[:end], '.') {
		e, ok := m[path[:end]]
		if !ok || path[end+1:] == "" {
			continue
		}
		if found, ok := Get(e, path[end+1:]); ok {
			return found, true
		}
	}
	return nil, false
}

// Equal compares trees: 3 equals 3.0, and nothing equals an empty object. A
// secret equals only a secret, so that what becomes secret is stored anew.
func Equal(a, b any) bool { return empty(a) && empty(b) || same(a, b) }

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func same(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && sameMap(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case *Expr:
		b, ok := b.(*Expr)
		return ok && sameParts(a, b)
	case Unknown:
		b, ok := b.(Unknown)
		return ok && sameParts(a.of, b.of)
	case Secret:
		b, ok := b.(Secret)
		return ok && sameSecret(a, b)
	}
	return sameNumber(a, b)
}

func sameMap(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || !same(v, w) {
			return false
		}
	}
	return true
}

func sameParts(a, b *Expr) bool {
	return a == b || slices.EqualFunc(a.parts, b.parts, func(p, q Part) bool {
		if p.Secret.given() && q.Secret.given() {
			return sameSecret(p.Secret, q.Secret)
		}
		return p == q
	})
}

// sameSecret knows nothing of two secrets that are still sealed, each with a
// text of its own: they differ then.
func sameSecret(a, b Secret) bool {
	if a.box == b.box {
		return true
	}
	p, errA := a.Reveal()
	q, errB := b.Reveal()
	if errA != nil || errB != nil {
		return a.Sealed() != "" && a.Sealed() == b.Sealed()
	}
	return same(p, q)
}

// sameNumber compares by what JSON makes of both, as it does for any type that
// is not among those of a tree.
func sameNumber(a, b any) bool {
	if x, ok := a.(float64); ok {
		if y, ok := b.(float64); ok {
			return x == y
		}
	}
	ja, errA := json.Marshal(a)
	jb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}
