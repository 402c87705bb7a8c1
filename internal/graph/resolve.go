package graph

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// base64Function is the one function that properties may hold.
const base64Function = "Fn::Base64"

// Resolve returns a copy of v with every reference replaced by what get
// answers. A string that is one whole reference takes the value with its
// type; within a longer string the value becomes text. "$${" becomes "${",
// and {"Fn::Base64": "text"} the encoded text.
func Resolve(v any, get func(Ref) (any, error)) (any, error) {
	switch v := v.(type) {
	case string:
		return resolveString(v, get)
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

func resolveMap(v map[string]any, get func(Ref) (any, error)) (any, error) {
	m := make(map[string]any, len(v))
	for _, k := range sortedKeys(v) {
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
	text, ok := encode.(string)
	if !ok {
		return nil, fmt.Errorf("%s: want text, have %T", base64Function, encode)
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func resolveString(s string, get func(Ref) (any, error)) (any, error) {
	parts, err := Split(s)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 && parts[0].Ref != nil {
		value, err := get(*parts[0].Ref)
		return clone(value), err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Ref == nil {
			b.WriteString(p.Text)
			continue
		}
		value, err := get(*p.Ref)
		if err != nil {
			return nil, err
		}
		text, err := asText(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Ref, err)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// asText is how a value reads within a longer string.
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
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = clone(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	}
	return v
}

// Get reads a value by its path: a.b.0.c. Keys may hold dots themselves
// (metadata.labels.app.kubernetes.io/name): the longest key that leads to a
// value wins.
func Get(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	switch v := v.(type) {
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
