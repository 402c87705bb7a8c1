package application

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// loopback lets a balancer live on 127.0.0.x without a namespace.
type loopback struct{ balancer.Host }

func (loopback) Claim(netip.Addr) error   { return nil }
func (loopback) Release(netip.Addr) error { return nil }

const groupARN = "arn:group"

// rig is a balancer on a free port of 127.0.0.1 that forwards to one group.
type rig struct {
	*Balancer
	t    *testing.T
	port int
	spec Spec
}

func newRig(t *testing.T, identities balancer.Identities) *rig {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	r := &rig{t: t, port: port, spec: Spec{
		Addresses: map[netip.Addr]string{netip.MustParseAddr("127.0.0.1"): "a"}, Idle: time.Minute,
		Listeners: map[int]Listener{port: {TLS: identities != nil, Identities: identities, Rules: []Rule{{nil, Action{Forward: []Weighted{{groupARN, 1}}}}}}},
		Groups: map[string]Group{groupARN: {Protocol: "HTTP", Targets: map[string]Target{}, CrossZone: true,
			Check: balancer.Check{Protocol: "HTTP", Path: "/healthy", Matcher: "200-299", Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 2, Unhealthy: 2}}},
	}}
	r.Balancer = New("lb", loopback{}, slog.New(slog.DiscardHandler))
	t.Cleanup(r.Close)
	return r
}

func (r *rig) apply() {
	r.t.Helper()
	if err := r.Apply(r.spec); err != nil {
		r.t.Fatal(err)
	}
}

// change changes the group.
func (r *rig) change(f func(*Group)) {
	r.t.Helper()
	g := r.spec.Groups[groupARN]
	f(&g)
	r.spec.Groups[groupARN] = g
	r.apply()
}

// target starts a server behind the balancer. /healthy is its health check, and
// what else comes the handler answers.
func (r *rig) target(id string, h http.HandlerFunc) *httptest.Server {
	r.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/healthy" {
			return
		}
		h(w, req)
	}))
	r.t.Cleanup(s.Close)
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	r.change(func(g *Group) { g.Targets[id] = Target{At: at, Zone: "a", Check: int(at.Port())} })
	return s
}

func (r *rig) leave(id string, drain time.Duration) {
	r.t.Helper()
	r.change(func(g *Group) {
		t := g.Targets[id]
		t.Leaving = time.Now()
		t.Deadline = t.Leaving.Add(drain)
		g.Targets[id] = t
	})
}

func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not so after 5 s: %s", what)
		}
	}
}

func (r *rig) healthy(ids ...string) {
	r.t.Helper()
	r.until("healthy", func() bool {
		for _, id := range ids {
			if h, _ := r.Health(groupARN, id); !h.InService {
				return false
			}
		}
		return true
	})
}

func (r *rig) url() string { return fmt.Sprintf("http://127.0.0.1:%d", r.port) }

// get sends a request on a connection of its own and returns status and body.
func (r *rig) get(path string, change ...func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Close = true
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// A request reaches the target as the client sent it, with what an ALB adds; and
// connections to the target are kept.
func TestForward(t *testing.T) {
	r := newRig(t, nil)
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s|%s|%s|%s|%t", req.Method, req.Host, req.RequestURI, req.Header.Get("X-Forwarded-For"),
			req.Header.Get("X-Forwarded-Proto"), req.Header.Get("X-Forwarded-Port"), strings.HasPrefix(req.Header.Get("X-Amzn-Trace-Id"), "Root=1-"))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	r.change(func(g *Group) {
		g.Check.Interval = time.Hour // its connections would be counted
		g.Targets["one"] = Target{At: at, Zone: "a", Check: int(at.Port())}
	})
	r.healthy("one")
	checks := connections.Load()
	for range 5 {
		_, body := r.get("/a%2Fb?x=1;y", func(req *http.Request) { req.Host = "shop.example.com"; req.Header.Set("X-Forwarded-For", "1.2.3.4") })
		if want := fmt.Sprintf("GET shop.example.com /a%%2Fb?x=1;y|1.2.3.4, 127.0.0.1|http|%d|true", r.port); body != want {
			t.Fatalf("%s\nwant %s", body, want)
		}
	}
	if n := connections.Load() - checks; n != 1 {
		t.Errorf("%d connections to the target for 5 requests", n)
	}
}

// 503 without a target, 502 from one that refuses or closes, 504 from one that does
// not answer; and a request is sent once.
func TestFailures(t *testing.T) {
	r := newRig(t, nil)
	r.spec.Idle = 200 * time.Millisecond
	r.apply()
	status := func(want int) {
		t.Helper()
		resp, body := r.get("/")
		if resp.StatusCode != want || resp.Header.Get("Server") != "awselb/2.0" || !strings.Contains(body, fmt.Sprint(want)) {
			t.Errorf("%d %q, want %d", resp.StatusCode, body, want)
		}
	}
	status(http.StatusServiceUnavailable)
	var asked atomic.Int32
	s := r.target("one", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		c, _, _ := w.(http.Hijacker).Hijack()
		_ = c.Close()
	})
	r.healthy("one")
	status(http.StatusBadGateway)
	if asked.Load() != 1 {
		t.Errorf("sent %d times", asked.Load())
	}
	s.Close()
	status(http.StatusBadGateway)
	r.until("unhealthy", func() bool { h, _ := r.Health(groupARN, "one"); return h.Checked && !h.InService })
	status(http.StatusBadGateway) // fail-open: it is sent all the same
	r.change(func(g *Group) { delete(g.Targets, "one") })
	end := make(chan struct{})
	defer close(end)
	r.target("two", func(http.ResponseWriter, *http.Request) { <-end })
	r.healthy("two")
	status(http.StatusGatewayTimeout)
}

// A kept connection that the target closes as a request comes: 502, not a second try.
func TestNotSentAgain(t *testing.T) {
	r := newRig(t, nil)
	var asked atomic.Int32
	r.target("one", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			c, _, _ := w.(http.Hijacker).Hijack()
			_ = c.Close()
		}
	})
	r.healthy("one")
	for k, want := range []int{200, 502, 200} {
		if resp, _ := r.get("/"); resp.StatusCode != want {
			t.Errorf("request %d: %d, want %d", k+1, resp.StatusCode, want)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("the target was asked %d times", asked.Load())
	}
}

// A leaving target gets no new request after the lag; the one that it has ends well,
// unless the deadline comes first.
func TestLeave(t *testing.T) {
	for _, drain := range []time.Duration{time.Minute, 50 * time.Millisecond} {
		r := newRig(t, nil)
		came, end := make(chan struct{}), make(chan struct{})
		r.target("one", func(w http.ResponseWriter, req *http.Request) {
			close(came)
			select {
			case <-end:
				_, _ = io.WriteString(w, "one")
			case <-req.Context().Done():
			}
		})
		r.healthy("one")
		type result struct {
			status int
			body   string
		}
		got := make(chan result, 1)
		go func() {
			resp, body := r.get("/")
			got <- result{resp.StatusCode, body}
		}()
		<-came
		r.target("two", says("two"))
		r.healthy("two")
		r.leave("one", drain)
		r.until("out of rotation", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.groups[groupARN].targets["one"].out
		})
		for range 4 {
			if _, body := r.get("/"); body != "two" {
				t.Fatalf("a new request went to %q", body)
			}
		}
		want := result{http.StatusBadGateway, ""}
		if drain == time.Minute {
			close(end)
			want = result{http.StatusOK, "one"}
		}
		if res := <-got; res.status != want.status || want.body != "" && res.body != want.body {
			t.Errorf("drain %s: the request under way ended with %+v", drain, res)
		}
	}
}

// A leaving target still gets requests as long as the lag says.
func TestLag(t *testing.T) {
	r := newRig(t, nil)
	r.spec.Lag = time.Hour
	r.target("one", says("one"))
	r.healthy("one")
	r.leave("one", 0)
	if resp, body := r.get("/"); body != "one" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	r.change(func(g *Group) {
		back := g.Targets["one"]
		back.Leaving, back.Deadline = time.Time{}, time.Time{}
		g.Targets["one"] = back
	})
	r.healthy("one")
}

func TestStickiness(t *testing.T) {
	r := newRig(t, nil)
	r.change(func(g *Group) { g.Stickiness = time.Hour })
	r.target("one", says("one"))
	r.target("two", says("two"))
	r.healthy("one", "two")
	resp, first := r.get("/")
	if n := len(resp.Cookies()); n != 2 {
		t.Fatalf("%d cookies", n)
	}
	again := func() string {
		_, body := r.get("/", func(req *http.Request) { req.AddCookie(resp.Cookies()[0]) })
		return body
	}
	for range 5 {
		if body := again(); body != first {
			t.Errorf("%s, then %s", first, body)
		}
	}
	r.leave(first, time.Hour)
	r.until("another one", func() bool { return again() != first })
}

// A websocket lives as long as both want, and until its target has to go.
func TestWebsocket(t *testing.T) {
	r := newRig(t, nil)
	r.target("one", func(w http.ResponseWriter, _ *http.Request) {
		c, rw, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, rw)
		_ = c.Close()
	})
	r.healthy("one")
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	echo := func() error {
		_, _ = io.WriteString(c, "ping")
		_, err := io.ReadFull(in, make([]byte, 4))
		return err
	}
	if err := echo(); err != nil {
		t.Fatal(err)
	}
	r.leave("one", time.Hour)
	if err := echo(); err != nil {
		t.Errorf("cut while it drains: %v", err)
	}
	r.change(func(g *Group) { delete(g.Targets, "one") })
	r.until("cut", func() bool { return echo() != nil })
}

// HTTP/2 is for clients that agree on it in the handshake.
func TestHTTP2(t *testing.T) {
	made := httptest.NewUnstartedServer(nil)
	made.StartTLS()
	defer made.Close()
	r := newRig(t, balancer.Identities{&made.TLS.Certificates[0]})
	r.target("one", func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprint(w, req.Proto, " ", req.Header.Get("X-Forwarded-Proto"))
	})
	r.healthy("one")
	for _, h2 := range []bool{true, false} {
		transport := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/", r.port), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		if (resp.ProtoMajor == 2) != h2 || string(body) != "HTTP/1.1 https" {
			t.Errorf("%s %q", resp.Proto, body)
		}
	}
}
