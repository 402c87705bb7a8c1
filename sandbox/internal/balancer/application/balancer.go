// Package application is the data plane of Application Load Balancers: an HTTP
// proxy by the standard library, between listeners in each zone and target groups.
//
// Package aws/elbv2 says with Apply what a balancer shall be. What it does like
// the real one:
//
//   - HTTP/1.1 and, to clients that agree on it in the TLS handshake, HTTP/2;
//     websockets; HTTP/1.1 on connections that are kept to targets.
//   - The first rule that fits decides: forward by weight, redirect, or a fixed
//     response.
//   - 503 if a group has no target, 502 if a target refuses, resets or closes a
//     connection instead of answering, 504 if it does not answer. A request is sent
//     once: what breaks on the way is not tried again.
//   - No healthy target: all of them get requests.
//   - A deregistered target still gets requests for a moment (Spec.Lag), then no
//     new ones; those under way may end until the deadline, and are cut then. Its
//     idle connections are closed.
//   - Slow start, and clients that stick to targets and groups by cookie.
//
// What it does not: filter by security group, sign users in, write access logs.
package application

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// headerTimeout is how long a client may take to send its request's headers.
const headerTimeout = time.Minute

// Spec is what a balancer shall be.
type Spec struct {
	Addresses map[netip.Addr]string // one for each zone -> the zone
	Listeners map[int]Listener      // by port
	Groups    map[string]Group      // by ARN
	Lag       time.Duration         // for which a leaving target still gets new requests
	Join      time.Duration         // after which a new target is looked at
	Idle      time.Duration         // connections without data for that long end
	HTTP1Only bool                  // HTTP/2 is offered to nobody
}

// Listener is a port that requests come to. What becomes of them say its rules in
// their order; the last one has no conditions.
type Listener struct {
	TLS        bool
	Identities balancer.Identities // with TLS
	Rules      []Rule
}

// Balancer is one running load balancer.
type Balancer struct {
	net balancer.Network
	log *slog.Logger

	// start runs f on its own until it returns; its context ends with stop, or
	// when the balancer is closed, which waits for it.
	start func(f func(context.Context)) (stop context.CancelFunc)
	end   func() // ends everything started, and waits

	mu      sync.Mutex
	spec    Spec
	servers map[netip.AddrPort]*server
	groups  map[string]*group
	claimed map[netip.Addr]bool
}

type server struct {
	*http.Server
	tls, http1Only bool
}

// New makes a balancer that does nothing until Apply.
func New(name string, network balancer.Network, logger *slog.Logger) *Balancer {
	b := &Balancer{net: network, log: logger.With("balancer", name), servers: map[netip.AddrPort]*server{},
		groups: map[string]*group{}, claimed: map[netip.Addr]bool{}}
	b.start, b.end = balancer.Tasks()
	return b
}

// Apply makes the balancer what the spec says. A listener that cannot be opened
// is an error; the rest is done all the same.
func (b *Balancer) Apply(spec Spec) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spec = spec
	for arn, g := range b.groups {
		if _, ok := spec.Groups[arn]; !ok {
			g.apply(b, Group{})
			delete(b.groups, arn)
		}
	}
	for arn, want := range spec.Groups {
		g := b.groups[arn]
		if g == nil {
			g = &group{arn: arn, targets: map[string]*target{}}
			b.groups[arn] = g
		}
		g.apply(b, want)
	}
	return errors.Join(b.claim(), b.listen())
}

// claim takes the addresses, and gives back those that are no longer its own.
func (b *Balancer) claim() error {
	for ip := range b.claimed {
		if _, keeps := b.spec.Addresses[ip]; !keeps {
			delete(b.claimed, ip)
			if err := b.net.Release(ip); err != nil {
				return fmt.Errorf("give back address %s: %w", ip, err)
			}
		}
	}
	for ip := range b.spec.Addresses {
		if b.claimed[ip] {
			continue
		}
		if err := b.net.Claim(ip); err != nil {
			return fmt.Errorf("take address %s: %w", ip, err)
		}
		b.claimed[ip] = true
	}
	return nil
}

// listen opens the listeners that are missing and closes those that are too many.
func (b *Balancer) listen() (err error) {
	for at, s := range b.servers {
		l, ok := b.spec.Listeners[int(at.Port())]
		if _, lives := b.spec.Addresses[at.Addr()]; !ok || !lives || l.TLS != s.tls || s.http1Only != b.spec.HTTP1Only {
			_ = s.Close()
			delete(b.servers, at)
		}
	}
	for ip := range b.spec.Addresses {
		for port, l := range b.spec.Listeners {
			at := netip.AddrPortFrom(ip, uint16(port))
			if b.servers[at] != nil {
				continue
			}
			err = errors.Join(err, b.open(at, l))
		}
	}
	return err
}

func (b *Balancer) open(at netip.AddrPort, l Listener) error {
	tcp, err := b.net.Listen(at.Addr(), int(at.Port()))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", at, err)
	}
	s := &server{tls: l.TLS, http1Only: b.spec.HTTP1Only, Server: &http.Server{Handler: b.handler(at), ReadHeaderTimeout: headerTimeout,
		IdleTimeout: b.spec.Idle, ErrorLog: log.New(quiet{}, "", 0), TLSConfig: &tls.Config{GetCertificate: b.identity(int(at.Port()))}}}
	if b.spec.HTTP1Only {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	b.servers[at] = s
	b.start(func(context.Context) { b.serve(s, tcp) })
	return nil
}

// identity finds the certificate for a client of a port, as the listener is by then.
func (b *Balancer) identity(port int) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		b.mu.Lock()
		identities := b.spec.Listeners[port].Identities
		b.mu.Unlock()
		return identities.For(hello)
	}
}

func (b *Balancer) serve(s *server, tcp net.Listener) {
	var err error
	if s.tls {
		err = s.ServeTLS(tcp, "", "")
	} else {
		err = s.Serve(tcp)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		b.log.Warn("serve", "address", tcp.Addr(), "err", err)
	}
}

// quiet drops what the server says of single connections.
type quiet struct{}

func (quiet) Write(p []byte) (int, error) { return len(p), nil }

// Close ends the balancer and everything under way through it.
func (b *Balancer) Close() {
	b.mu.Lock()
	for at, s := range b.servers {
		_ = s.Close()
		delete(b.servers, at)
	}
	for arn, g := range b.groups {
		g.apply(b, Group{})
		delete(b.groups, arn)
	}
	claimed := b.claimed
	b.claimed = nil
	b.mu.Unlock()
	b.end()
	for ip := range claimed {
		if err := b.net.Release(ip); err != nil {
			b.log.Warn("give back address", "ip", ip, "err", err)
		}
	}
}

// Health tells how a target of a group is; false if the balancer does not know it.
func (b *Balancer) Health(arn, id string) (balancer.Health, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil || g.targets[id] == nil {
		return balancer.Health{}, false
	}
	t := g.targets[id]
	return balancer.Health{InService: t.healthy, Checked: t.checked, Leaving: !t.spec.Leaving.IsZero()}, true
}

// source is the address that targets see, and the idle timeout.
func (b *Balancer) source() (from netip.Addr, idle time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ip := range b.spec.Addresses {
		if !from.IsValid() || ip.Less(from) {
			from = ip
		}
	}
	return from, b.spec.Idle
}
