package state

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// How records are written: values that are more than JSON data (references,
// secrets) stand in the envelopes of package value. A secret that nobody has
// sealed is an error, never clear text.

// stored is a tree of values as a record holds it.
type stored plan.Props

func (s stored) MarshalJSON() ([]byte, error) {
	data, err := value.Encode(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(data)
}

func (s *stored) UnmarshalJSON(text []byte) error {
	var data map[string]any
	err := json.Unmarshal(text, &data)
	if err != nil {
		return err
	}
	*s, err = value.Decode(data)
	return err
}

// MarshalJSON writes the resource as a record.
func (r Resource) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		fields
		Generation stored `json:"generation,omitempty"`
		Inputs     stored `json:"inputs,omitempty"`
		Outputs    stored `json:"outputs,omitempty"`
		Lookups    stored `json:"lookups,omitempty"`
	}{fields(r), stored(r.Generation), stored(r.Inputs), stored(r.Outputs), stored(r.Lookups)})
}

// UnmarshalJSON reads a record. Its secrets are sealed.
func (r *Resource) UnmarshalJSON(text []byte) error {
	record := resourceRecord{fields: (*fields)(r)}
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	return record.decode()
}

// fields is a Resource without its methods.
type fields Resource

// resourceRecord reads a resource in one go: with trees as plain data first,
// since a type that reads itself has its text scanned once more.
type resourceRecord struct {
	*fields
	Generation map[string]any `json:"generation"`
	Inputs     map[string]any `json:"inputs"`
	Outputs    map[string]any `json:"outputs"`
	Lookups    map[string]any `json:"lookups"`
}

// decode makes trees of values of the data.
func (r *resourceRecord) decode() error {
	for _, tree := range []struct {
		data map[string]any
		to   *plan.Props
	}{{r.Generation, &r.fields.Generation}, {r.Inputs, &r.fields.Inputs}, {r.Outputs, &r.fields.Outputs}, {r.Lookups, &r.fields.Lookups}} {
		props, err := value.Decode(tree.data)
		if err != nil {
			return err
		}
		*tree.to = props
	}
	return nil
}

// MarshalJSON writes a connection as a record.
func (c Conn) MarshalJSON() ([]byte, error) {
	return json.Marshal(connRecord{stored(c.Declared), stored(c.Resolved)})
}

// UnmarshalJSON reads a record.
func (c *Conn) UnmarshalJSON(text []byte) error {
	var record connRecord
	err := json.Unmarshal(text, &record)
	c.Declared, c.Resolved = plan.Props(record.Declared), plan.Props(record.Resolved)
	return err
}

type connRecord struct {
	Declared stored `json:"declared,omitempty"`
	Resolved stored `json:"resolved,omitempty"`
}

// MarshalJSON writes the checkpoint.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	type fields Snapshot
	return json.Marshal(struct {
		fields
		Outputs stored `json:"outputs,omitempty"`
	}{fields(s), stored(s.Outputs)})
}

// UnmarshalJSON reads a checkpoint. Its secrets are sealed.
func (s *Snapshot) UnmarshalJSON(text []byte) error {
	type fields Snapshot
	record := struct {
		*fields
		Outputs stored `json:"outputs"`
	}{fields: (*fields)(s)}
	err := json.Unmarshal(text, &record)
	s.Outputs = plan.Props(record.Outputs)
	return err
}

// MarshalJSON writes the way back as a record.
func (w Way) MarshalJSON() ([]byte, error) {
	type fields Way
	return json.Marshal(struct {
		fields
		Outputs stored `json:"outputs,omitempty"`
	}{fields(w), stored(w.Outputs)})
}

// UnmarshalJSON reads a record. Its secrets are sealed.
func (w *Way) UnmarshalJSON(text []byte) error {
	type fields Way
	record := struct {
		*fields
		Outputs stored `json:"outputs"`
	}{fields: (*fields)(w)}
	err := json.Unmarshal(text, &record)
	w.Outputs = plan.Props(record.Outputs)
	return err
}

// trees are all that a resource holds of values.
func (r *Resource) trees() []any {
	trees := []any{r.Generation, r.Inputs, r.Outputs, r.Lookups, r.Conn.Declared, r.Conn.Resolved}
	if r.Hosts != nil {
		trees = append(trees, r.Hosts.Conn.Declared, r.Hosts.Conn.Resolved)
	}
	return trees
}

func (in *Intent) trees() (trees []any) {
	if in.Resource != nil {
		trees = in.Resource.trees()
	}
	for i := range in.Earlier {
		trees = append(trees, in.Earlier[i].trees()...)
	}
	return trees
}

func (e *entry) trees() []any {
	trees := append([]any{map[string]any(e.Outputs)}, e.Way.trees()...)
	if e.Result != nil {
		trees = append(trees, e.Result.trees()...)
	}
	if e.Intent != nil {
		trees = append(trees, e.Intent.trees()...)
	}
	return trees
}

// Values are all trees of values in the snapshot.
func (s *Snapshot) Values() []any {
	trees := append([]any{s.Outputs}, s.Way.trees()...)
	for i := range s.Resources {
		trees = append(trees, s.Resources[i].trees()...)
	}
	for _, in := range s.Pending {
		trees = append(trees, in.trees()...)
	}
	return trees
}

// sealed seals the secrets of an entry before it is written. The first one of
// a stack brings its key with it.
func (s *Session) sealed(ctx context.Context, e *entry) error {
	trees := e.trees()
	if !value.Fresh(trees) {
		return nil
	}
	key, err := s.key(ctx)
	if err != nil {
		return err
	}
	if s.ledger.head.Wrapped == nil {
		e.Wrapped = s.wrapped
	}
	return value.Seal(trees, key)
}

// PrepareKey gets the key with which the run will seal secrets. It is asked
// for while a person can still be asked for a passphrase.
func (s *Session) PrepareKey(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.key(ctx)
	return err
}

func (s *Session) key(ctx context.Context) (*seal.Key, error) {
	if s.ledger.head.Wrapped != nil {
		return s.store.Ring.Open(ctx, *s.ledger.head.Wrapped)
	}
	w, key, err := s.store.Ring.New(ctx)
	s.wrapped = &w
	return key, err
}

// Unseal opens the secrets of the snapshot, which takes the key of the stack.
// A snapshot without any is left as it is, and nobody is asked.
func (s *Snapshot) Unseal(ctx context.Context, ring *seal.Ring) error {
	return s.open(ctx, ring, s.Values())
}

// UnsealPending opens only what a run that was cut off has left to repeat.
func (s *Snapshot) UnsealPending(ctx context.Context, ring *seal.Ring) error {
	pending := Snapshot{Pending: s.Pending}
	return s.open(ctx, ring, pending.Values())
}

func (s *Snapshot) open(ctx context.Context, ring *seal.Ring, trees []any) error {
	if !value.Locked(trees) {
		return nil
	}
	if s.Wrapped == nil {
		return damaged(s.Stack, errors.New("it has sealed secrets and no key"))
	}
	key, err := ring.Open(ctx, *s.Wrapped)
	if err != nil {
		return err
	}
	return value.Open(trees, key)
}
