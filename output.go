package drover

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/droverhq/drover/internal/wire"
)

// Output is a value that is known only once the plan is carried out, and what
// type it will have. It is handed on, not looked at: in a longer text it stands
// as a reference that Drover replaces by the value.
type Output[T any] struct{ text string }

// Ref is the output that a reference of drover.yaml means, without "${" and "}":
// the way to what this package has no method for.
//
//	Ref[string]("ssm:/shop/license")
func Ref[T any](word string) Output[T] { return Output[T]{"${" + word + "}"} }

// String is the reference as text, as in "${cluster.endpoint}".
func (o Output[T]) String() string { return o.text }

// MarshalText makes an Output the text of its reference wherever it is written out.
func (o Output[T]) MarshalText() ([]byte, error) { return []byte(o.text), nil }

// StackRef is another stack, by its name under stackRefs in drover.yaml.
func (s *Stack) StackRef(name string) StackRef { return StackRef{name} }

// StackRef is another stack, whose outputs this one takes.
type StackRef struct{ name string }

// Output is one of its outputs, as its last complete run stored it. What is secret
// stays so.
func (r StackRef) Output(name string) Output[string] {
	return Ref[string]("stackRef." + r.name + "." + name)
}

// Sprintf is fmt.Sprintf with outputs among its arguments, as %s or %v.
func Sprintf(format string, args ...any) Output[string] {
	return Output[string]{fmt.Sprintf(format, args...)}
}

// At is one element of a list that is known only later.
func At[T any](list Output[[]T], i int) Output[T] {
	return Output[T]{fmt.Sprintf("%s.%d}", strings.TrimSuffix(list.text, "}"), i)}
}

// Plain is text that means every "${" in it: no reference.
func Plain(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// Secret is a value that nobody may see: wherever it goes it is hidden, and
// sealed in the state. Better than a secret in the program is one in the config:
// [Stack.Secret].
func Secret(value string) any { return hidden{value} }

type hidden struct{ value string }

// String hides the value from whoever prints it.
func (hidden) String() string { return "[secret]" }

// MarshalJSON marks the value for drover, which alone reads it.
func (h hidden) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{wire.SecretKey: h.value})
}
