//go:build e2e

package e2e

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
)

// echo is a request through the load balancer that only the echoserver answers as expected.
func (p *folder) echo() load.Options {
	p.t.Helper()
	return load.Options{
		URL:        "http://" + strings.TrimSpace(p.run("stack", "output", "nginxServiceUrl")) + "/echoserver",
		Host:       "apps.example.com",
		Timeout:    load.DefaultTimeout,
		ExpectBody: regexp.MustCompile("Hostname: echoserver-"),
	}
}

// awaitAnswer waits until the load balancer has put its first nodes into
// service: two health checks, 10 s apart.
func (p *folder) awaitAnswer() {
	p.t.Helper()
	one := p.echo()
	one.Requests, one.Connections = 1, 1
	var last load.Result
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(500 * time.Millisecond) {
		result, err := load.Run(p.t.Context(), one, event.Discard)
		if err != nil {
			p.t.Fatal(err)
		}
		if result.OK == 1 {
			return
		}
		last = result
	}
	p.t.Fatalf("the load balancer does not answer: %v\n%v", last.Causes, last.Failures)
}

// underLoad sends 200 requests a second while f runs; none may fail.
func (p *folder) underLoad(f func()) {
	p.t.Helper()
	if r := p.counted(f); r.Failed > 0 || r.Missed > 0 || r.Sent == 0 {
		p.t.Errorf("of %d requests %d failed and %d were never sent: %v\n%v", r.Sent, r.Failed, r.Missed, r.Causes, r.Failures)
	}
}

// counted sends as many, and tells what became of them.
func (p *folder) counted(f func()) load.Result {
	p.t.Helper()
	steady := p.echo()
	steady.Rate, steady.FreshEvery = 200, 4
	ctx, stop := context.WithCancel(p.t.Context())
	defer stop()
	type outcome struct {
		result load.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := load.Run(ctx, steady, event.Discard)
		done <- outcome{result, err}
	}()
	f()
	stop()
	o := <-done
	if o.err != nil {
		p.t.Fatal(o.err)
	}
	p.t.Logf("%d requests, %d failed, %d sent again on a new connection", o.result.Sent, o.result.Failed, o.result.Retried)
	return o.result
}
