package value

import (
	"errors"
	"fmt"
	"strings"
)

// How a tree is stored as JSON. Plain data is stored as it is. Every other leaf
// stands in an envelope, an object with one key that begins with "drover:"; an
// object of the user's that looks like one stands in an envelope itself.
const (
	envelopePrefix = "drover:"
	secretEnvelope = envelopePrefix + "secret" // sealed text
	exprEnvelope   = envelopePrefix + "expr"   // text with references that lead to resources
	partsEnvelope  = envelopePrefix + "parts"  // an expression with secrets in it, piece by piece
	plainEnvelope  = envelopePrefix + "plain"  // an object as it is
)

// ErrFresh is what Encode refuses: a secret that nobody has sealed.
var ErrFresh = errors.New("refuse to store a secret in clear text")

// Encode is the tree as plain JSON data. Secrets must be sealed.
func Encode(m map[string]any) (map[string]any, error) {
	if plainMap(m) {
		return m, nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		e, err := encode(v)
		if err != nil {
			return nil, err
		}
		out[k] = e
	}
	return out, nil
}

// Decode reads what Encode made. Secrets are sealed.
func Decode(m map[string]any) (map[string]any, error) {
	for k, v := range m {
		d, err := decode(v)
		if err != nil {
			return nil, err
		}
		m[k] = d
	}
	return m, nil
}

// plainMap reports that nothing in m needs an envelope.
func plainMap(m map[string]any) bool {
	for _, v := range m {
		if !plain(v) {
			return false
		}
	}
	return true
}

func plain(v any) bool {
	switch v := v.(type) {
	case *Expr, Unknown, Secret:
		return false
	case []any:
		for _, e := range v {
			if !plain(e) {
				return false
			}
		}
	case map[string]any:
		return !looksLikeEnvelope(v) && plainMap(v)
	}
	return true
}

func looksLikeEnvelope(m map[string]any) bool {
	if len(m) != 1 {
		return false
	}
	for k := range m {
		return strings.HasPrefix(k, envelopePrefix)
	}
	return false
}

func encode(v any) (any, error) {
	switch v := v.(type) {
	case Secret:
		text := v.Sealed()
		if text == "" {
			return nil, ErrFresh
		}
		return map[string]any{secretEnvelope: text}, nil
	case Unknown:
		return nil, fmt.Errorf("%s is not known yet and cannot be stored", v)
	case *Expr:
		return v.encode()
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			x, err := encode(e)
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	case map[string]any:
		m, err := Encode(v)
		if err == nil && looksLikeEnvelope(v) {
			return map[string]any{plainEnvelope: m}, nil
		}
		return m, err
	}
	return v, nil
}

func (e *Expr) encode() (any, error) {
	if !HasSecret(e) {
		return map[string]any{exprEnvelope: e.String()}, nil
	}
	list := make([]any, len(e.parts))
	for i, p := range e.parts {
		x, err := encode(p.Piece())
		if err != nil {
			return nil, err
		}
		list[i] = x
	}
	return map[string]any{partsEnvelope: list}, nil
}

func decode(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			d, err := decode(e)
			if err != nil {
				return nil, err
			}
			v[i] = d
		}
	case map[string]any:
		if looksLikeEnvelope(v) {
			for kind, content := range v {
				return open(kind, content)
			}
		}
		return Decode(v)
	}
	return v, nil
}

// open reads one envelope.
func open(kind string, content any) (any, error) {
	text, isText := content.(string)
	list, isList := content.([]any)
	object, isObject := content.(map[string]any)
	switch {
	case kind == secretEnvelope && isText:
		return Sealed(text), nil
	case kind == exprEnvelope && isText:
		return parseStored(text)
	case kind == partsEnvelope && isList:
		pieces, err := decode(list)
		if err != nil {
			return nil, err
		}
		return Join(pieces.([]any)...)
	case kind == plainEnvelope && isObject:
		return Decode(object)
	}
	return nil, fmt.Errorf("%q is no kind of value that this version knows", kind)
}
