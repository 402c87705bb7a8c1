package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Log numbers and stamps facts and hands each to every reader, in order.
type Log struct {
	mu      sync.Mutex
	seq     uint64
	now     func() time.Time
	readers []func(Event)
}

// NewLog makes a Log. Readers are called one at a time and must be quick.
func NewLog(now func() time.Time, readers ...func(Event)) *Log {
	return &Log{now: now, readers: readers}
}

// New is a fact with its number and time.
func New(seq uint64, at time.Time, f Fact) Event {
	return Event{Seq: seq, At: at.UTC(), Kind: f.kind(), Fact: f}
}

// Emit gives the fact its number and time and passes it on.
func (l *Log) Emit(f Fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e := New(l.seq, l.now(), f)
	for _, read := range l.readers {
		read(e)
	}
}

// Discard is a Sink that drops every fact.
var Discard Sink = discard{}

type discard struct{}

func (discard) Emit(Fact) {}

// ErrUnknownKind is what decoding an event of a later version fails with. A
// reader of a log leaves such events out.
var ErrUnknownKind = errors.New("unknown kind")

// UnmarshalJSON restores the concrete type of the fact, so that a log that was
// written can be read and drawn again. Unknown kinds are an error.
func (e *Event) UnmarshalJSON(data []byte) error {
	var raw struct {
		Seq  uint64          `json:"seq"`
		At   time.Time       `json:"at"`
		Kind string          `json:"kind"`
		Fact json.RawMessage `json:"fact"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	decode, ok := decoders[raw.Kind]
	if !ok {
		return fmt.Errorf("event %d: %w %q", raw.Seq, ErrUnknownKind, raw.Kind)
	}
	fact, err := decode(raw.Fact)
	if err != nil {
		return fmt.Errorf("event %d (%s): %w", raw.Seq, raw.Kind, err)
	}
	*e = Event{Seq: raw.Seq, At: raw.At, Kind: raw.Kind, Fact: fact}
	return nil
}

var decoders = map[string]func([]byte) (Fact, error){
	RunStarted{}.kind():      decode[RunStarted],
	Planned{}.kind():         decode[Planned],
	StepStarted{}.kind():     decode[StepStarted],
	Progress{}.kind():        decode[Progress],
	StepFinished{}.kind():    decode[StepFinished],
	Finding{}.kind():         decode[Finding],
	PhaseChanged{}.kind():    decode[PhaseChanged],
	WorkloadChanged{}.kind(): decode[WorkloadChanged],
	NodeChanged{}.kind():     decode[NodeChanged],
	PodMoved{}.kind():        decode[PodMoved],
	TargetChanged{}.kind():   decode[TargetChanged],
	LoadWindow{}.kind():      decode[LoadWindow],
	GuardBreached{}.kind():   decode[GuardBreached],
	TurnedBack{}.kind():      decode[TurnedBack],
	RunFinished{}.kind():     decode[RunFinished],
}

func decode[F Fact](data []byte) (Fact, error) {
	var f F
	err := json.Unmarshal(data, &f)
	return f, err
}
