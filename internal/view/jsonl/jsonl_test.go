package jsonl

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// What a run emitted is what a report reads, in order and complete.
func TestRoundTrip(t *testing.T) {
	var out bytes.Buffer
	var want []event.Event
	w := New(&out)
	log := event.NewLog(func() time.Time { return time.Now().Truncate(0) }, w.Read, func(e event.Event) { want = append(want, e) })
	for range 500 {
		log.Emit(event.NodeChanged{Node: "n", Change: "cordoned"})
		log.Emit(event.LoadWindow{Source: "guard", From: time.Unix(5, 0).UTC(), Requests: 3, P99: time.Second})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	got, err := ReadAll(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%d events read differ from %d written", len(got), len(want))
	}

	cut, err := ReadAll(strings.NewReader(text[:len(text)-5]))
	if err != nil || len(cut) != len(want)-1 {
		t.Errorf("cut short: %d events, %v; want %d", len(cut), err, len(want)-1)
	}
	later, err := ReadAll(strings.NewReader(`{"seq":1,"at":"2026-11-01T00:00:00Z","kind":"of-a-later-version","fact":{}}` + "\n" + text))
	if err != nil || len(later) != len(want) {
		t.Errorf("with an unknown kind: %d events, %v; want %d", len(later), err, len(want))
	}
	if _, err := ReadAll(strings.NewReader("not JSON\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("not an event: %v", err)
	}
}
