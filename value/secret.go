package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
)

// Hidden is what every reader sees of a secret.
const Hidden = "[secret]"

// Secret is a value that no reader may see: fmt, JSON, text and slog give
// "[secret]". Only Reveal gives the value, to whoever sends it where it belongs.
//
// A secret that was read from the state is sealed: nobody can reveal it before
// Open was called with the stack's key. What is not looked at stays sealed, so
// that a stack can be listed, or destroyed, by somebody who has no key.
type Secret struct{ box **box } // two pointers: fmt prints through one, if it may not ask for methods

type box struct {
	mu     sync.Mutex
	plain  any
	open   bool   // plain is known
	sealed string // as it is stored; empty: it was not stored yet
}

// ErrSealed is what Reveal gives for a secret that was never opened.
var ErrSealed = errors.New("a secret is still sealed")

// Hide makes a secret of a value; one that is secret already stays as it is.
func Hide(v any) Secret {
	if s, ok := v.(Secret); ok {
		return s
	}
	return in(&box{plain: v, open: true})
}

// Sealed is a secret as a Sealer has sealed it.
func Sealed(text string) Secret { return in(&box{sealed: text}) }

func in(b *box) Secret { return Secret{&b} }

func (s Secret) given() bool { return s.box != nil }

// Reveal gives the value.
func (s Secret) Reveal() (any, error) {
	if s.box == nil {
		return nil, nil
	}
	b := *s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return nil, ErrSealed
	}
	return b.plain, nil
}

// String hides the value from whoever prints it.
func (s Secret) String() string { return Hidden }

// GoString hides it from %#v.
func (s Secret) GoString() string { return Hidden }

// Format hides it from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Hidden) }

// MarshalText hides it from encoders of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// MarshalJSON hides it from encoders of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(Hidden) }

// MarshalYAML hides it from encoders of YAML.
func (s Secret) MarshalYAML() (any, error) { return Hidden, nil }

// LogValue hides it from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Hidden) }

// Sealer encrypts and decrypts with the key of a stack.
type Sealer interface {
	Seal(plain []byte) (string, error)
	Open(sealed string) ([]byte, error)
}

// Sealed is the text under which the secret is stored; empty before Seal.
func (s Secret) Sealed() string {
	b := *s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sealed
}

func (s Secret) locked() bool {
	b := *s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.open
}

// seal fixes the text under which the secret is stored. What was sealed stays
// so: the text of an unchanged secret does not change.
func (s Secret) seal(k Sealer) error {
	b := *s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed != "" {
		return nil
	}
	if err := Seal(b.plain, k); err != nil { // secrets within
		return err
	}
	stored, err := encode(b.plain)
	if err != nil {
		return err
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return errors.New("a secret holds what JSON cannot") // the error might quote it
	}
	b.sealed, err = k.Seal(data)
	return err
}

func (s Secret) unseal(k Sealer) error {
	b := *s.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return nil
	}
	data, err := k.Open(b.sealed)
	if err != nil {
		return err
	}
	var stored any
	if err := json.Unmarshal(data, &stored); err != nil {
		return errors.New("a secret holds no JSON")
	}
	plain, err := decode(stored)
	if err != nil {
		return errors.New("a secret holds what this version cannot read")
	}
	b.plain, b.open = plain, true
	return Open(plain, k) // secrets within
}

// Seal seals every secret of a tree that was not stored yet.
func Seal(v any, k Sealer) error {
	return eachSecret(v, func(s Secret) error { return s.seal(k) })
}

// Open opens every sealed secret of a tree.
func Open(v any, k Sealer) error {
	return eachSecret(v, func(s Secret) error { return s.unseal(k) })
}

// Detach forgets how the secrets of a tree were sealed: they are sealed anew
// where they are stored next, which may have another key.
func Detach(v any) {
	_ = eachSecret(v, func(s Secret) error {
		b := *s.box
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open {
			b.sealed = ""
			Detach(b.plain)
		}
		return nil
	})
}

// errFound ends a walk early.
var errFound = errors.New("found")

// Fresh reports a secret in the tree that was not sealed yet.
func Fresh(v any) bool {
	return some(v, func(s Secret) bool { return s.Sealed() == "" })
}

// Locked reports a secret in the tree that was not opened yet.
func Locked(v any) bool { return some(v, Secret.locked) }

// HasSecret reports a secret anywhere in the tree.
func HasSecret(v any) bool { return some(v, func(Secret) bool { return true }) }

func some(v any, is func(Secret) bool) bool {
	return eachSecret(v, func(s Secret) error {
		if is(s) {
			return errFound
		}
		return nil
	}) != nil
}

// HasUnknown reports whether any part of a tree becomes known only while the
// plan is carried out.
func HasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown, *Expr:
		return true
	case []any:
		return slices.ContainsFunc(v, HasUnknown)
	case map[string]any:
		for _, e := range v {
			if HasUnknown(e) {
				return true
			}
		}
	}
	return false
}

func eachSecret(v any, do func(Secret) error) error {
	switch v := v.(type) {
	case Secret:
		return do(v)
	case *Expr:
		for _, p := range v.parts {
			if p.Secret.given() {
				if err := do(p.Secret); err != nil {
					return err
				}
			}
		}
	case Unknown:
		return eachSecret(v.of, do)
	case []any:
		for _, e := range v {
			if err := eachSecret(e, do); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := eachSecret(e, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reveal is a copy of the tree with every secret in the open, for a provider to
// send. It must not be kept, logged or compared with what is stored.
func Reveal(v any) (any, error) {
	switch v := v.(type) {
	case Secret:
		plain, err := v.Reveal()
		if err != nil {
			return nil, err
		}
		return Reveal(plain)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			r, err := Reveal(e)
			if err != nil {
				return nil, err
			}
			list[i] = r
		}
		return list, nil
	case map[string]any:
		return RevealMap(v)
	}
	return v, nil
}

// RevealMap is Reveal for properties.
func RevealMap(m map[string]any) (map[string]any, error) {
	if m == nil {
		return nil, nil
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		r, err := Reveal(e)
		if err != nil {
			return nil, err
		}
		out[k] = r
	}
	return out, nil
}
