// Package jsonl writes every event as one line of JSON (docs/events.md) and
// reads such a log back. It is lossless: the verdict and the report are made
// from it.
package jsonl

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/view"
	"github.com/droverhq/drover/problem"
)

// Writer writes events as they come. Read is the reader for event.NewLog.
type Writer struct {
	queue *view.Queue
	end   chan struct{}
	done  sync.WaitGroup
	err   error // of the goroutine; read after it ended
}

// New starts writing to w.
func New(w io.Writer) *Writer {
	j := &Writer{queue: view.NewQueue(), end: make(chan struct{})}
	j.done.Go(func() { j.err = j.run(w) })
	return j
}

// Read takes an event and never waits.
func (j *Writer) Read(e event.Event) { j.queue.Put(e) }

// Close writes what is left and reports the first error.
func (j *Writer) Close() error {
	close(j.end)
	j.done.Wait()
	return j.err
}

func (j *Writer) run(w io.Writer) (err error) {
	defer problem.Recover(&err) // a log that breaks must not end the run
	for last := false; !last; {
		select {
		case <-j.queue.Wake():
		case <-j.end:
			last = true
		}
		if err := write(w, j.queue.Take()); err != nil {
			return fmt.Errorf("write event log: %w", err)
		}
	}
	return nil
}

func write(w io.Writer, events []event.Event) error {
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil { // one write a line: a killed run leaves whole lines
			return err
		}
	}
	return nil
}

// ReadAll reads a log. A last line without its end (the run was killed) is
// left out; anything else unreadable is an error.
func ReadAll(r io.Reader) ([]event.Event, error) {
	in := bufio.NewReader(r)
	var events []event.Event
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		var e event.Event
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if errors.Is(err, event.ErrUnknownKind) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("event log, line %d: %w", n, err)
		}
		events = append(events, e)
	}
}
