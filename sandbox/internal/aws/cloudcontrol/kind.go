package cloudcontrol

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// props is a model: JSON data.
type props = map[string]any

// handler does for one resource type what its CloudFormation handlers do.
type handler interface {
	Create(s *region.State, want props) (id string, err error)
	Read(s *region.State, id string) (props, bool)
	// Update makes the object what want says. Properties are those that
	// inModel knows; what else is stored of an object is our own.
	Update(s *region.State, id string, want props, inModel func(string) bool) error
	Delete(s *region.State, id string) error
	// Wait says what is still missing after a call; empty: nothing.
	Wait(s *region.State, id, action string) (string, error)
	List(s *region.State) []string
	Updatable() bool
}

// kind is the handler of types whose objects are stored as T.
type kind[T any] struct {
	all    func(*region.State) map[string]*T
	fresh  T // defaults of properties that are not asked for
	create func(*region.State, *T) (string, error)
	update func(s *region.State, old, new *T) error // nil: the type has no update handler
	remove func(*region.State, *T) error
	show   func(*region.State, *T) *T // what a read returns; nil: the object
	wait   func(s *region.State, id, action string) (string, error)
}

func (k kind[T]) Create(s *region.State, want props) (string, error) {
	o := k.fresh
	if err := decode(want, &o); err != nil {
		return "", err
	}
	return k.create(s, &o)
}

func (k kind[T]) Read(s *region.State, id string) (props, bool) {
	o, ok := k.all(s)[id]
	if !ok {
		return nil, false
	}
	if k.show != nil {
		o = k.show(s, o)
	}
	return encode(o), true
}

// Update overlays the stored object with the wanted model: properties that the
// model does not hold are reset, fields of our own stay.
func (k kind[T]) Update(s *region.State, id string, want props, inModel func(string) bool) error {
	old, ok := k.all(s)[id]
	if !ok {
		return notFound(id)
	}
	merged := encode(old)
	for name := range merged {
		if inModel(name) {
			delete(merged, name)
		}
	}
	maps.Copy(merged, want)
	var next T
	if err := decode(merged, &next); err != nil {
		return err
	}
	if err := k.update(s, old, &next); err != nil {
		return err
	}
	k.all(s)[id] = &next
	return nil
}

func (k kind[T]) Delete(s *region.State, id string) error {
	o, ok := k.all(s)[id]
	if !ok {
		return notFound(id)
	}
	return k.remove(s, o)
}

func (k kind[T]) Wait(s *region.State, id, action string) (string, error) {
	if k.wait == nil {
		return "", nil
	}
	return k.wait(s, id, action)
}

func (k kind[T]) List(s *region.State) []string {
	var ids []string
	for id := range k.all(s) {
		ids = append(ids, id)
	}
	return ids
}

func (k kind[T]) Updatable() bool { return k.update != nil }

func notFound(id string) error {
	return region.Errorf(region.NotFound, "NotFound", "Resource with identifier '%s' was not found.", id)
}

// encode writes an object as a model: its own fields and the rest, without
// what was never set.
func encode(o any) props {
	data, _ := json.Marshal(o) // plain data always marshals
	m := props{}
	_ = json.Unmarshal(data, &m)
	rest, _ := m["Rest"].(props)
	delete(m, "Rest")
	for key, v := range rest {
		if _, ok := m[key]; !ok {
			m[key] = v
		}
	}
	for key, v := range m {
		if empty(v) {
			delete(m, key)
		}
	}
	return m
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case props:
		return len(v) == 0
	}
	return false
}

// decode reads a model into an object; properties it has no field for become
// its rest.
func decode[T any](model props, o *T) error {
	known := map[string]bool{}
	for _, name := range fields(*o) {
		known[name] = true
	}
	all := props{}
	rest := props{}
	for key, v := range model {
		if known[key] {
			all[key] = v
		} else {
			rest[key] = v
		}
	}
	if known["Rest"] && len(rest) > 0 {
		all["Rest"] = rest
	}
	return remarshal(all, o)
}

func remarshal(model props, o any) error {
	data, err := json.Marshal(model)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, o); err != nil {
		return region.Errorf(region.Invalid, "InvalidRequest", "%s", err)
	}
	return nil
}

// fields are the JSON names of a struct's fields.
func fields(v any) []string {
	t := reflect.TypeOf(v)
	names := make([]string, t.NumField())
	for i := range names {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		names[i] = name
	}
	return names
}
