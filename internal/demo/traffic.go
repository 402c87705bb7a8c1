package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/sleep"
)

// The tutorial's load, and a steady one beside it: the closed loop slows down
// with the target, the steady one does not.
const (
	echoHost          = "apps.example.com"
	closedConnections = 100
	steadyRate        = 200 // requests/s
	freshEvery        = 4   // every fourth steady request opens a connection of its own, as new users do

	quiet = 5 * time.Second // load before the change and after it, to compare with
)

// fromEchoserver holds for no other application's answer.
var fromEchoserver = regexp.MustCompile(`Hostname: echoserver-`)

// traffic is the load of the whole story.
type traffic struct {
	files   []string
	results []load.Result
	end     context.CancelFunc
	running *errgroup.Group
	closed  atomic.Int64 // requests of the closed loop that are finished
}

// startTraffic sends until stop is called; records go to dir.
func startTraffic(ctx context.Context, dir, url string) (*traffic, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{end: cancel, running: new(errgroup.Group)}
	common := load.Options{URL: url, Host: echoHost, Timeout: load.DefaultTimeout, ExpectBody: fromEchoserver}
	closed, steady := common, common
	closed.Connections, closed.Source = closedConnections, "closed"
	closed.Observe = func(load.Record) { t.closed.Add(1) }
	steady.Rate, steady.FreshEvery, steady.Source = steadyRate, freshEvery, "steady"

	t.results = make([]load.Result, 2)
	for i, o := range []load.Options{closed, steady} {
		path := filepath.Join(dir, o.Source+".csv")
		file, err := os.Create(path)
		if err != nil {
			cancel()
			return nil, errors.Join(err, t.running.Wait())
		}
		t.files = append(t.files, path)
		t.running.Go(func() error {
			o.Record = file
			result, err := load.Run(ctx, o, event.Discard)
			t.results[i] = result
			return errors.Join(err, file.Close())
		})
	}
	return t, nil
}

// sent is how many requests of the closed loop are finished.
func (t *traffic) sent() int { return int(t.closed.Load()) }

// until lets the load run for a while.
func (t *traffic) until(ctx context.Context, d time.Duration) error {
	return sleep.For(ctx, d)
}

// untilSent lets the load run until the closed loop has finished n requests.
func (t *traffic) untilSent(ctx context.Context, n int) error {
	for t.sent() < n {
		if err := t.until(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// stop starts no new request, waits for those in flight, and closes the records.
func (t *traffic) stop() error {
	t.end()
	return t.running.Wait()
}
