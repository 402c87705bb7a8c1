package load

import (
	"strings"
	"testing"
	"time"
)

// The report is hey's, so that people and scripts read it as they are used to,
// with the account of every request below.
func TestPrint(t *testing.T) {
	book := newLedger(Options{Source: "steady"}, time.Time{})
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i := range 10 {
		book.enter(start, time.Duration(i+1)*10*time.Millisecond, answer{status: 200, bytes: 100})
	}
	book.enter(start.Add(time.Second), 110*time.Millisecond, answer{cause: Reset, retried: true})
	r := book.result(Options{}, 2*time.Second)
	r.Missed = 3
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := `
Summary:
  Total:	2.0000 secs
  Slowest:	0.1100 secs
  Fastest:	0.0100 secs
  Average:	0.0600 secs
  Requests/sec:	5.5000

  Total data:	1000 bytes
  Size/request:	90 bytes

Response time histogram:
  0.010 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.020 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.030 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.040 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.050 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.060 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.070 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.080 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.090 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.100 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
  0.110 [1]	|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■

Latency distribution:
  10% in 0.0200 secs
  25% in 0.0300 secs
  50% in 0.0600 secs
  75% in 0.0900 secs
  90% in 0.1000 secs
  95% in 0.1100 secs
  99% in 0.1100 secs
  99.9% in 0.1100 secs

Status code distribution:
  [200]	10 responses

Error distribution:
  [1]	reset

Failed requests (1 of 1):
  12:00:01.000Z  after 0.1100 secs  reset

Account:
  11 sent = 10 as expected + 1 failed
  1 sent again on a new connection, because the server had closed the reused one
  3 due but never sent: all workers were waiting for answers
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
