package load

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A window tells of its own requests alone, with their latencies; the next one begins
// with nothing.
func TestWindowsAreTheirOwn(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	book := newLedger(Options{Source: "steady"}, start)
	book.enter(start, 30*time.Millisecond, answer{status: 200})
	book.enter(start, 10*time.Millisecond, answer{cause: Reset})
	first := book.turn(start.Add(time.Second))
	if first.Source != "steady" || first.From != start || first.Requests != 2 || first.Failures != 1 ||
		first.Max != 30*time.Millisecond || first.P50.Round(time.Millisecond) != 10*time.Millisecond || first.P99.Round(time.Millisecond) != 30*time.Millisecond {
		t.Errorf("first: %+v", first)
	}
	if r := book.result(Options{}, time.Second); r.NoStatus != 1 || r.Statuses[200] != 1 {
		t.Errorf("%d without a status, %v", r.NoStatus, r.Statuses)
	}
	book.enter(start.Add(time.Second), 5*time.Millisecond, answer{status: 200})
	second := book.turn(start.Add(2 * time.Second))
	if second.From != start.Add(time.Second) || second.Requests != 1 || second.Failures != 0 || second.Max != 5*time.Millisecond || second.P99 > second.Max {
		t.Errorf("second: %+v", second)
	}
}

// Every failure is counted; so many are kept one by one. A result is of its moment:
// what comes later does not change it.
func TestResultIsOfItsMoment(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	book := newLedger(Options{}, start)
	for range keptFailures + 1 {
		book.enter(start, 2*time.Millisecond, answer{status: 503, cause: Malformed})
	}
	book.late.Add(4)
	r := book.result(Options{URL: "http://x/"}, time.Second)
	if r.Failed != keptFailures+1 || len(r.Failures) != keptFailures || r.Late != 4 || r.URL != "http://x/" || r.Fastest != 2*time.Millisecond {
		t.Errorf("%d failed, %d kept, %d late, fastest %s", r.Failed, len(r.Failures), r.Late, r.Fastest)
	}
	book.enter(start, time.Millisecond, answer{status: 200})
	book.enter(start, time.Millisecond, answer{status: 503, cause: Malformed})
	if r.Statuses[200] != 0 || r.Statuses[503] != keptFailures+1 || r.Causes[Malformed] != keptFailures+1 {
		t.Errorf("later requests are in it: %v, %v", r.Statuses, r.Causes)
	}
	if r = book.result(Options{}, time.Second); r.Fastest != time.Millisecond {
		t.Errorf("fastest %s", r.Fastest)
	}
	if empty := newLedger(Options{Source: "closed"}, start).result(Options{URL: "u"}, time.Second); empty.Source != "closed" || empty.URL != "u" || empty.Took != time.Second {
		t.Errorf("of no request: %+v", empty)
	}
}

// full is a disk without room.
type full struct{ after int }

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// A record that cannot be written is an error, not a shorter record.
func TestRecordOnAFullDisk(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	book := newLedger(Options{Record: &full{after: 10}}, start)
	book.enter(start, time.Millisecond, answer{status: 200})
	book.turn(start.Add(time.Second))
	if err := book.recordErr(); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	if err := (Result{}).Print(&full{}); !errors.Is(err, errFull) {
		t.Errorf("a report that cannot be written: %v", err)
	}
	var b strings.Builder
	book = newLedger(Options{Record: &b}, start)
	book.enter(start, time.Millisecond, answer{status: 200})
	book.turn(start.Add(time.Second))
	if err := book.recordErr(); err != nil || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("%v: %q", err, b.String())
	}
}
