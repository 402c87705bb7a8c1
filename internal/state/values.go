package state

import (
	"encoding/json"

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
	type fields Resource
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
	type fields Resource
	record := struct {
		*fields
		Generation stored `json:"generation"`
		Inputs     stored `json:"inputs"`
		Outputs    stored `json:"outputs"`
		Lookups    stored `json:"lookups"`
	}{fields: (*fields)(r)}
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	r.Generation, r.Inputs = plan.Props(record.Generation), plan.Props(record.Inputs)
	r.Outputs, r.Lookups = plan.Props(record.Outputs), plan.Props(record.Lookups)
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
