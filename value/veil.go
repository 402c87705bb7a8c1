package value

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// HideAt is a copy of properties in which all text below the paths is secret.
// A path is a/b/*/c, where "*" stands for every item of a list. Numbers and
// true or false below them stay in the open: they keep no secret.
func HideAt(props map[string]any, paths []string) map[string]any {
	for _, path := range paths {
		hidden, _ := hideAt(props, strings.Split(path, "/")).(map[string]any)
		props = hidden
	}
	return props
}

func hideAt(v any, path []string) any {
	if len(path) == 0 {
		return hideTexts(v)
	}
	switch v := v.(type) {
	case map[string]any:
		below, ok := v[path[0]]
		if !ok {
			return v
		}
		m := maps.Clone(v)
		m[path[0]] = hideAt(below, path[1:])
		return m
	case []any:
		if path[0] != "*" {
			return v
		}
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = hideAt(e, path[1:])
		}
		return list
	}
	return v
}

func hideTexts(v any) any {
	return rebuilt(v, func(leaf any) any {
		switch leaf.(type) {
		case string, *Expr:
			return Hide(leaf)
		}
		return leaf
	})
}

// Taint is what an object says of itself after it was made from inputs: text
// that stands where a secret of the inputs stands, is one, or holds one, is
// secret too.
func Taint(outputs, inputs map[string]any) map[string]any {
	if !HasSecret(inputs) {
		return outputs
	}
	veil := new(Veil)
	veil.Learn(inputs)
	tainted, _ := taint(outputs, inputs, veil).(map[string]any)
	return tainted
}

func taint(v, input any, veil *Veil) any {
	_, secret := input.(Secret)
	switch v := v.(type) {
	case string:
		if secret || veil.Text(v) != v {
			return Hide(v)
		}
	case []any:
		inputs, _ := input.([]any)
		list := make([]any, len(v))
		for i, e := range v {
			var in any
			switch {
			case secret:
				in = input
			case i < len(inputs):
				in = inputs[i]
			}
			list[i] = taint(e, in, veil)
		}
		return list
	case map[string]any:
		inputs, _ := input.(map[string]any)
		m := make(map[string]any, len(v))
		for k, e := range v {
			in := inputs[k]
			if secret {
				in = input
			}
			m[k] = taint(e, in, veil)
		}
		return m
	}
	return v
}

// Veil takes secrets out of text that others wrote: an error of AWS may quote
// the value that it refuses. It may be used from several goroutines.
type Veil struct {
	mu       sync.Mutex
	words    map[string]bool
	replacer *strings.Replacer // nil: words have come since
}

// minWord is the shortest secret that is looked for in text. Shorter ones stand
// in any text by chance, and hiding them there would tell what they are.
const minWord = 4

// minLine is the same for one line of several.
const minLine = 12

// Learn adds the secrets of a tree, in the forms that others write them in.
func (l *Veil) Learn(v any) {
	_ = eachSecret(v, func(s Secret) error {
		plain, err := Reveal(s)
		if err == nil {
			l.learn(plain)
		}
		return nil // one that is still sealed was never sent to anybody
	})
}

func (l *Veil) learn(v any) {
	switch v := v.(type) {
	case string:
		l.add(v, minWord)
	case []any:
		for _, e := range v {
			l.learn(e)
		}
	case map[string]any:
		for _, e := range v {
			l.learn(e)
		}
	case float64:
		l.add(strconv.FormatFloat(v, 'f', -1, 64), minWord)
	}
}

func (l *Veil) add(text string, least int) {
	forms := []string{text, strings.TrimSpace(text), url.QueryEscape(text), url.PathEscape(text), strings.Trim(strconv.Quote(text), `"`),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)),
		base64.RawStdEncoding.EncodeToString([]byte(text))}
	if data, err := json.Marshal(text); err == nil {
		forms = append(forms, strings.Trim(string(data), `"`))
	}
	// What a Secret of Kubernetes holds is encoded, and known to people decoded.
	if data, err := base64.StdEncoding.DecodeString(text); err == nil && utf8.Valid(data) {
		forms = append(forms, string(data), strings.TrimSpace(string(data)))
	}
	if lines := strings.Split(text, "\n"); len(lines) > 1 {
		for _, line := range lines {
			l.add(strings.TrimSpace(line), minLine)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range forms {
		if len(f) < least || l.words[f] {
			continue
		}
		if l.words == nil {
			l.words = make(map[string]bool)
		}
		l.words[f], l.replacer = true, nil
	}
}

// Text is the text without secrets.
func (l *Veil) Text(s string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.words) == 0 {
		return s
	}
	if l.replacer == nil {
		words := slices.SortedFunc(maps.Keys(l.words), func(a, b string) int { return len(b) - len(a) }) // longest first
		pairs := make([]string, 0, 2*len(words))
		for _, w := range words {
			pairs = append(pairs, w, Hidden)
		}
		l.replacer = strings.NewReplacer(pairs...)
	}
	return l.replacer.Replace(s)
}
