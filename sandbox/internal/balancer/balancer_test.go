package balancer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// loopback lets a balancer live on 127.0.0.x without a namespace.
type loopback struct{}

func (loopback) Claim(netip.Addr) error   { return nil }
func (loopback) Release(netip.Addr) error { return nil }
func (loopback) Listen(ip netip.Addr, port int) (*net.TCPListener, error) {
	return Host{}.Listen(ip, port)
}
func (loopback) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	return Host{}.Dial(ctx, from, to)
}

// echo is a target: it sends its name and then back what it gets.
func echo(t *testing.T, ip string, port int) {
	t.Helper()
	l, err := net.Listen("tcp4", netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port)).String())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, func(c net.Conn) {
		_, _ = io.WriteString(c, ip+"\n")
		_, _ = io.Copy(c, c)
		_, _ = io.WriteString(c, "bye")
	})
}

// serve has each connection served by itself, until the test ends.
func serve(t *testing.T, l net.Listener, one func(net.Conn)) {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				one(c)
			}()
		}
	}()
}

// freePort finds a port that is free on all of 127.0.0.0/8 in practice.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

type rig struct {
	*Balancer
	t    *testing.T
	spec Spec
	port int
	gone chan string
}

// newRig makes a balancer on 127.0.0.1 for targets 127.0.0.2 and 127.0.0.3.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, port: freePort(t), gone: make(chan string, 10)}
	backend := freePort(t)
	r.spec = Spec{IP: netip.MustParseAddr("127.0.0.1"), Ports: map[int]int{r.port: backend}, Targets: map[string]Target{},
		Check: Check{Protocol: "TCP", Port: backend, Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 2,
			Unhealthy: 2}, Lag: Lag, Idle: time.Minute}
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		echo(t, ip, backend)
		r.spec.Targets[ip] = Target{IP: netip.MustParseAddr(ip)}
	}
	r.Balancer = New("lb", loopback{}, slog.New(slog.DiscardHandler), func(id string, _ time.Time) { r.gone <- id })
	t.Cleanup(r.Close)
	r.apply()
	return r
}

func (r *rig) apply() {
	r.t.Helper()
	if err := r.Apply(r.spec); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not so after 5 s: %s", what)
		}
	}
}

func (r *rig) inService(ids ...string) {
	r.t.Helper()
	r.until("in service", func() bool {
		for _, id := range ids {
			if h, _ := r.Health(id); !h.InService {
				return false
			}
		}
		return true
	})
}

// dial connects through the balancer and reads which target answers.
func (r *rig) dial() (net.Conn, string) {
	r.t.Helper()
	c, err := net.Dial("tcp4", netip.AddrPortFrom(r.spec.IP, uint16(r.port)).String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	name := make([]byte, len("127.0.0.2\n"))
	if _, err := io.ReadFull(c, name); err != nil {
		return c, ""
	}
	return c, string(name[:len(name)-1])
}

func (r *rig) leave(id string, drain time.Duration) {
	r.t.Helper()
	target := r.spec.Targets[id]
	target.Leaving = time.Now()
	target.Deadline = target.Leaving.Add(drain)
	r.spec.Targets[id] = target
	r.apply()
}

// Connections that are open at the same time are spread evenly, and half-close
// reaches the target: its last words come back.
func TestSpreadAndHalfClose(t *testing.T) {
	r := newRig(t)
	r.inService("127.0.0.2", "127.0.0.3")
	count := map[string]int{}
	var open []net.Conn
	for range 10 {
		c, name := r.dial()
		count[name]++
		open = append(open, c)
	}
	for _, c := range open {
		if _, err := io.WriteString(c, "hello "); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(c); err != nil || string(rest) != "hello bye" {
			t.Fatalf("%q %v", rest, err)
		}
	}
	if count["127.0.0.2"] != 5 || count["127.0.0.3"] != 5 {
		t.Errorf("connections per target %v, want 5 each", count)
	}
}

// A leaving target still serves new connections for the Lag, then none; its
// open connection works until it ends, and only then is the target gone.
func TestDraining(t *testing.T) {
	r := newRig(t)
	r.inService("127.0.0.2", "127.0.0.3")
	var held net.Conn
	for name := ""; name != "127.0.0.2"; {
		held, name = r.dial()
	}
	r.leave("127.0.0.2", time.Minute)
	if h, _ := r.Health("127.0.0.2"); !h.Leaving || !h.InService {
		t.Errorf("health while draining %+v", h)
	}
	early := map[string]bool{}
	for range 6 {
		_, name := r.dial()
		early[name] = true
	}
	if !early["127.0.0.2"] {
		t.Error("the leaving target got no new connection within the lag")
	}
	time.Sleep(Lag + 50*time.Millisecond)
	for range 6 {
		if _, name := r.dial(); name != "127.0.0.3" {
			t.Fatalf("a new connection went to %q after the lag", name)
		}
	}
	select {
	case id := <-r.gone:
		t.Fatalf("%s is gone with connections open", id)
	default:
	}
	if _, err := io.WriteString(held, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(held, make([]byte, 1)); err != nil {
		t.Fatalf("the open connection broke while draining: %v", err)
	}
}

// What is open at the deadline is cut; with draining off that is at once after
// the lag.
func TestDeadlineCuts(t *testing.T) {
	for _, drain := range []time.Duration{0, 400 * time.Millisecond} {
		r := newRig(t)
		r.inService("127.0.0.2", "127.0.0.3")
		var held net.Conn
		for name := ""; name != "127.0.0.2"; {
			held, name = r.dial()
		}
		start := time.Now()
		r.leave("127.0.0.2", drain)
		_, err := held.Read(make([]byte, 1))
		if took := time.Since(start); err == nil || took < max(drain, Lag) || took > max(drain, Lag)+time.Second {
			t.Errorf("drain %s: cut after %s with %v", drain, took, err)
		}
		if id := <-r.gone; id != "127.0.0.2" {
			t.Errorf("gone %s", id)
		}
	}
}

// Registering a leaving target again keeps it, as a new one.
func TestRejoin(t *testing.T) {
	r := newRig(t)
	r.inService("127.0.0.2", "127.0.0.3")
	r.leave("127.0.0.2", time.Minute)
	r.spec.Targets["127.0.0.2"] = Target{IP: netip.MustParseAddr("127.0.0.2")}
	r.apply()
	r.inService("127.0.0.2")
	time.Sleep(Lag + 50*time.Millisecond)
	names := map[string]bool{}
	for range 4 {
		_, name := r.dial()
		names[name] = true
	}
	if !names["127.0.0.2"] || len(r.gone) != 0 {
		t.Errorf("targets %v, %d gone", names, len(r.gone))
	}
}

// Without a healthy target a connection is accepted and closed: no fail-open.
func TestNoHealthyTarget(t *testing.T) {
	r := newRig(t)
	r.spec.Check.Port = freePort(t)
	r.apply()
	r.until("both out of service", func() bool {
		a, _ := r.Health("127.0.0.2")
		b, _ := r.Health("127.0.0.3")
		return a.Checked && b.Checked && !a.InService && !b.InService
	})
	c, name := r.dial()
	if _, err := c.Read(make([]byte, 1)); name != "" || !errors.Is(err, io.EOF) && err == nil {
		t.Errorf("answered by %q, %v", name, err)
	}
}

// Connections on which nothing comes are closed after the idle timeout; busy
// ones are not.
func TestIdleTimeout(t *testing.T) {
	r := newRig(t)
	r.spec.Idle = 1500 * time.Millisecond
	r.apply()
	r.inService("127.0.0.2", "127.0.0.3")
	quiet, _ := r.dial()
	busy, _ := r.dial()
	for range 30 {
		if _, err := io.WriteString(busy, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(busy, make([]byte, 1)); err != nil {
			t.Fatalf("the busy connection broke: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = quiet.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := quiet.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the quiet connection is still open: %v", err)
	}
}

// HTTP checks want 200; thresholds count in a row.
func TestHTTPCheck(t *testing.T) {
	var status atomic.Int64
	status.Store(200)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(server.Close)
	addr := netip.MustParseAddrPort(server.Listener.Addr().String())
	b := New("lb", loopback{}, slog.New(slog.DiscardHandler), func(string, time.Time) {})
	t.Cleanup(b.Close)
	spec := Spec{IP: addr.Addr(), Targets: map[string]Target{"i": {IP: addr.Addr()}},
		Check: Check{Protocol: "HTTP", Port: int(addr.Port()), Path: "/healthz",
			Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 2, Unhealthy: 3}}
	if err := b.Apply(spec); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, Balancer: b}
	r.inService("i")
	status.Store(503)
	r.until("out of service", func() bool { h, _ := b.Health("i"); return !h.InService })
	status.Store(200)
	r.inService("i")
}

// The proxy must carry more than 5000 requests a second over kept-alive
// connections, and hundreds of new connections a second.
func BenchmarkRequests(b *testing.B) {
	for name, keepAlive := range map[string]bool{"kept-alive": true, "new connections": false} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_,
					_ = io.WriteString(w, "hello")
			}))
			defer server.Close()
			to := netip.MustParseAddrPort(server.Listener.Addr().String())
			port := freePort(b)
			lb := New("lb", loopback{}, slog.New(slog.DiscardHandler), func(string, time.Time) {})
			defer lb.Close()
			spec := Spec{IP: netip.MustParseAddr("127.0.0.9"), Ports: map[int]int{port: int(to.Port())},
				Targets: map[string]Target{"i": {IP: to.Addr()}},
				Check: Check{Protocol: "TCP", Port: int(to.Port()), Interval: 5 * time.Millisecond,
					Timeout: time.Second, Healthy: 2, Unhealthy: 2}, Idle: time.Minute}
			if err := lb.Apply(spec); err != nil {
				b.Fatal(err)
			}
			for h, _ := lb.Health("i"); !h.InService; h, _ = lb.Health("i") {
				time.Sleep(time.Millisecond)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 100}}
			url := "http://" + netip.AddrPortFrom(spec.IP, uint16(port)).String()
			var slowest atomic.Int64
			b.SetParallelism(50)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					start := time.Now()
					resp, err := client.Get(url)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if took := int64(time.Since(start)); took > slowest.Load() {
						slowest.Store(took)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(time.Duration(slowest.Load()).Seconds()*1000, "slowest-ms")
		})
	}
}

// As a Network Load Balancer: a client's end decides, an open connection outlives
// its target's leaving unless it is to be cut, and with no healthy target all get
// connections.
func TestFlows(t *testing.T) {
	for _, cut := range []bool{false, true} {
		r := newRig(t)
		r.spec.Flows, r.spec.Cut = true, cut
		r.apply()
		r.inService("127.0.0.2", "127.0.0.3")
		var open net.Conn
		seen := map[string]bool{}
		r.until("both get connections", func() bool {
			c, name := r.dial()
			seen[name] = true
			if name == "127.0.0.2" {
				open = c
			}
			return len(seen) == 2 && open != nil
		})
		delete(r.spec.Targets, "127.0.0.2")
		r.apply()
		_, _ = io.WriteString(open, "x")
		_ = open.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(open, make([]byte, 1)); (err != nil) != cut {
			t.Errorf("cut %t: the open connection: %v", cut, err)
		}
		r.spec.Check.Port = freePort(t)
		r.apply()
		r.until("unhealthy", func() bool { h, _ := r.Health("127.0.0.3"); return h.Checked && !h.InService })
		if _, name := r.dial(); name != "127.0.0.3" {
			t.Errorf("no healthy target: %q answers", name)
		}
	}
}
