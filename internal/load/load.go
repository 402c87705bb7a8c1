// Package load sends HTTP traffic and accounts for every request exactly once.
//
// One Run is one generator: a closed loop (as many requests as its connections
// can carry, like hey) or, when a rate is given, a steady rate whose latency
// counts from the scheduled send. A load test and the guard of a move both
// stand on it; package verdict joins its records with the phases of a move.
//
// The story of a request: a driver (drive.go) says when, a client (client.go)
// sends it and reads the answer, the target (target.go) judges it, the ledger
// (ledger.go) writes it down.
package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/droverhq/drover/event"
)

// Options say what to send, how fast and until when. Flags fill them; the
// name in quotes is hey's.
type Options struct {
	URL     string        // http or https
	Method  string        // "-m"; empty: GET
	Header  http.Header   // "-H"
	Host    string        // "-host": the Host header; empty: the URL's
	Body    []byte        // "-d", "-D"
	Timeout time.Duration // "-t", of one request, dial and body included; 0: none

	Requests    int           // "-n": stop after so many; 0: no limit
	Duration    time.Duration // "-z": stop starting new requests after it; 0: no limit
	Connections int           // "-c": closed loop: connections that send one request after the other; 0: 50
	PerConn     float64       // "-q": closed loop: requests per second each connection may send; 0: no limit
	Rate        float64       // requests per second, all together; above 0 the load is steady, and Connections and PerConn are not used

	// FreshEvery makes every n-th request open a connection of its own and
	// close it after: 1 is hey's --disable-keepalive, 0 never. A steady load
	// that only reuses connections would not notice that new ones fail.
	FreshEvery int

	// Held is how many connections a steady load keeps from its beginning and
	// uses in turn; 0: as few as the answers need. Through a load balancer each
	// may lead to another target, so more of them see more.
	Held int
	// KeptFor bounds the age of a kept connection: it is closed before its next
	// use. Without it (0) a load that never rests holds up a target that drains
	// until its connections end.
	KeptFor time.Duration
	Gzip    bool // accept compressed answers, as hey does unless --disable-compression

	// NoRetry makes a request whose reused connection was cut a failure, as it
	// is for a client that does not repeat requests, or may not (POST). Without
	// it an idempotent one is sent again and counted as retried.
	NoRetry bool
	// SkipAfter bounds how late a steady load sends a request: one that is due
	// for longer is counted as missed. It keeps a process that stood still from
	// sending in one burst all that was due meanwhile. 0: all are sent.
	SkipAfter time.Duration

	ExpectStatus []int          // empty: 200
	ExpectBody   *regexp.Regexp // must match the body, or another application answered; nil: any

	// Dial opens connections; nil: TCP. Tests have a network of their own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	Source  string       // what its events and records are called; empty: "closed" or "steady"
	Record  io.Writer    // takes the per-request record (record.go); nil: none
	Observe func(Record) // called for every finished request, one at a time, and must be quick; nil: none
}

// DefaultTimeout is hey's.
const DefaultTimeout = 20 * time.Second

// Run sends until the options' limit or until ctx ends; then it sends what was due
// by then, lets the requests in flight finish (each within its timeout) and
// reports. A LoadWindow goes to events each second. Requests that failed are
// in the Result; the error is for a load that could not be run or recorded.
func Run(ctx context.Context, o Options, events event.Sink) (Result, error) {
	o = o.withDefaults()
	t, err := newTarget(o)
	if err != nil {
		return Result{}, err
	}
	started := time.Now()
	book := newLedger(o, started)
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}

	stopClock := book.everySecond(events)
	var missed int
	if o.Rate > 0 {
		missed = steady(ctx, o, t, book, started)
	} else {
		closedLoop(ctx, o, t, book)
	}
	stopClock()

	result := book.result(o, time.Since(started))
	result.Missed = missed
	if err := book.recordErr(); err != nil {
		return result, fmt.Errorf("write load record: %w", err)
	}
	return result, nil
}

func (o Options) withDefaults() Options {
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	if o.Connections == 0 {
		o.Connections = 50 // hey's -c
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if len(o.ExpectStatus) == 0 {
		o.ExpectStatus = []int{http.StatusOK}
	}
	if o.Source == "" {
		o.Source = "closed"
		if o.Rate > 0 {
			o.Source = "steady"
		}
	}
	return o
}
