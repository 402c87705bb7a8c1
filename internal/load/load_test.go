package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
)

// collect keeps the facts of one Run.
type collect struct{ facts []event.Fact }

func (c *collect) Emit(f event.Fact) { c.facts = append(c.facts, f) }

// serveRaw answers each accepted connection with handle and counts connections.
func serveRaw(t testing.TB, handle func(conn net.Conn, n int64)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var accepted atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := accepted.Add(1)
			go func() {
				defer func() { _ = conn.Close() }()
				handle(conn, n)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// readRequest reads one request without a body; false at the end.
func readRequest(in *bufio.Reader) bool {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == "\r\n" {
			return true
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// Every way in which a request can fail is told from the others.
func TestCauses(t *testing.T) {
	say := func(text string) func(net.Conn, int64) {
		return func(conn net.Conn, _ int64) {
			readRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
		}
	}
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	_ = l.Close()
	closed := "http://" + l.Addr().String() + "/"

	for _, c := range []struct {
		name, url string
		want      Cause
	}{
		{"ok", serveRaw(t, say(okAnswer)), ""},
		{"interim answer", serveRaw(t, say("HTTP/1.1 103 Early Hints\r\n\r\n"+okAnswer)), ""},
		{"body to the end of the connection", serveRaw(t, say("HTTP/1.0 200 OK\r\n\r\nit is ok")), ""},
		{"status", serveRaw(t, say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nok")), "status 502"},
		{"other application", serveRaw(t, say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")), WrongApplication},
		{"refused", closed, Refused},
		{"no such host", "http://no-such-host.invalid/", DNS},
		{"closed at once", serveRaw(t, say("")), EOFFirst},
		{"closed within the headers", serveRaw(t, say("HTTP/1.1 200 OK\r\nContent-Le")), Malformed},
		{"closed within the body", serveRaw(t, say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")), TruncatedBody},
		{"closed within a chunk", serveRaw(t, say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok")), TruncatedBody},
		{"not HTTP", serveRaw(t, say("SSH-2.0-OpenSSH\r\n\r\n")), Malformed},
		{"reset", serveRaw(t, func(conn net.Conn, _ int64) {
			readRequest(bufio.NewReader(conn))
			_ = conn.(*net.TCPConn).SetLinger(0)
		}), Reset},
		{"silence", serveRaw(t, func(conn net.Conn, _ int64) { _, _ = io.Copy(io.Discard, conn) }), Timeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{URL: c.url, Requests: 3, Connections: 1, Timeout: 300 * time.Millisecond, ExpectBody: regexp.MustCompile("ok")}
			r, err := Run(t.Context(), o, event.Discard)
			if err != nil {
				t.Fatal(err)
			}
			want := map[Cause]int{c.want: 3}
			if c.want == "" {
				want = map[Cause]int{}
			}
			if r.Sent != 3 || fmt.Sprint(r.Causes) != fmt.Sprint(want) {
				t.Errorf("sent %d, causes %v; want 3, %v", r.Sent, r.Causes, want)
			}
		})
	}
}

// A server that closes a reused connection instead of answering: an idempotent
// request is repeated once and counted as retried, any other one is a failure.
func TestReusedConnectionCloses(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn, _ int64) {
		in := bufio.NewReader(conn)
		if readRequest(in) {
			_, _ = io.WriteString(conn, okAnswer)
		}
		readRequest(in) // the second request of each connection gets no answer
	})
	for method, want := range map[string]Result{
		"GET":  {Sent: 10, OK: 10, Retried: 9},
		"POST": {Sent: 10, OK: 5, Failed: 5},
	} {
		r, err := Run(t.Context(), Options{URL: url, Method: method, Requests: 10, Connections: 1}, event.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent != want.Sent || r.OK != want.OK || r.Failed != want.Failed || r.Retried != want.Retried {
			t.Errorf("%s: %d sent, %d ok, %d failed, %d retried; want %d, %d, %d, %d",
				method, r.Sent, r.OK, r.Failed, r.Retried, want.Sent, want.OK, want.Failed, want.Retried)
		}
	}
}

// A connection that was closed while idle is replaced before anything is sent:
// neither a failure nor a retry, not even for a POST.
func TestIdleConnectionCloses(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn, _ int64) {
		if readRequest(bufio.NewReader(conn)) {
			_, _ = io.WriteString(conn, okAnswer)
		}
	})
	o := Options{URL: url, Method: "POST", Requests: 4, Connections: 1, PerConn: 20} // 50 ms idle in between
	r, err := Run(t.Context(), o, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK != 4 || r.Retried != 0 {
		t.Errorf("%d ok, %d retried, causes %v; want 4, 0, none", r.OK, r.Retried, r.Causes)
	}
}

// The windows, the record, the observer and the result tell the same number of
// requests and failures, whatever the mix of answers.
func TestEveryRequestIsCountedOnce(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 7 {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			_, _ = io.WriteString(w, "somebody else")
		default:
			_, _ = io.WriteString(w, "echo")
		}
	}))
	defer server.Close()

	for _, o := range []Options{
		{Requests: 3000, Connections: 8},
		{Requests: 1001, Connections: 3, FreshEvery: 1},
		{Requests: 700, Rate: 500, FreshEvery: 2},
	} {
		var record bytes.Buffer
		var facts collect
		observed := 0
		o.URL, o.Record, o.ExpectBody = server.URL, &record, regexp.MustCompile("^e[c]ho$")
		o.Observe = func(Record) { observed++ }
		r, err := Run(t.Context(), o, &facts)
		if err != nil {
			t.Fatal(err)
		}

		lines, failedLines := 0, 0
		for rec, err := range ReadRecords(&record) {
			if err != nil {
				t.Fatal(err)
			}
			lines++
			if rec.Cause != "" {
				failedLines++
			}
		}
		windows, failedInWindows := 0, 0
		for _, f := range facts.facts {
			windows += f.(event.LoadWindow).Requests
			failedInWindows += f.(event.LoadWindow).Failures
		}
		statuses, causes, buckets := r.NoStatus, 0, 0
		for _, c := range r.Statuses {
			statuses += c
		}
		for _, c := range r.Causes {
			causes += c
		}
		for _, b := range r.Histogram {
			buckets += b.Count
		}
		for what, got := range map[string]int{
			"result": r.Sent, "ok + failed": r.OK + r.Failed, "record": lines, "windows": windows,
			"observer": observed, "statuses": statuses, "histogram": buckets,
		} {
			if got != o.Requests {
				t.Errorf("%+v: %s tells %d requests, want %d", o.Source, what, got, o.Requests)
			}
		}
		if causes != r.Failed || failedLines != r.Failed || failedInWindows != r.Failed || r.Failed == 0 {
			t.Errorf("failed: result %d, causes %d, record %d, windows %d", r.Failed, causes, failedLines, failedInWindows)
		}
	}
}

// A stall of the target shows in every request that was due during it, not
// only in the ones that were in flight: no coordinated omission.
func TestSteadyLatencyCountsFromSchedule(t *testing.T) {
	stall := make(chan struct{})
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		switch i := n.Add(1); {
		case i == 60:
			close(stall)
		case i > 20:
			<-stall
		}
	}))
	defer server.Close()
	slow := 0
	o := Options{URL: server.URL, Rate: 100, Requests: 60}
	o.Observe = func(r Record) {
		if r.Latency > 100*time.Millisecond {
			slow++
		}
	}
	r, err := Run(t.Context(), o, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	// Due after the 20th, and 100 ms or more before the 60th, which ends the stall: 30.
	if r.OK != 60 || slow < 30 {
		t.Errorf("%d ok, %d slow; want 60 and at least 30", r.OK, slow)
	}
}

// With every worker waiting, due requests are neither lost nor sent late in
// silence: those that could not be sent at all are named.
func TestSteadyNamesWhatItCouldNotSend(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn, _ int64) { _, _ = io.Copy(io.Discard, conn) })
	r, err := Run(t.Context(), Options{URL: url, Rate: 5000, Requests: 5000, Duration: 1100 * time.Millisecond, Timeout: 5 * time.Second}, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent != maxWorkers || r.Sent+r.Missed != 5000 {
		t.Errorf("%d sent, %d missed; want %d sent, and 5000 together", r.Sent, r.Missed, maxWorkers)
	}
}

// Requests in flight when the load stops are answered and counted.
func TestStopLetsRequestsFinish(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		time.Sleep(200 * time.Millisecond)
	}))
	defer server.Close()
	r, err := Run(t.Context(), Options{URL: server.URL, Connections: 5, Duration: 100 * time.Millisecond}, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent != 5 || r.OK != 5 {
		t.Errorf("%d sent, %d ok, causes %v; want 5, 5", r.Sent, r.OK, r.Causes)
	}
}

// The request on the wire is the one the flags ask for.
func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s host=%s x=%s close=%v body=%s", r.Method, r.URL, r.Host, r.Header.Get("X-A"), r.Close, body)
	}))
	defer server.Close()
	o := Options{
		URL: server.URL + "/p?q=1", Method: "PUT", Host: "apps.example.com", Header: http.Header{"X-A": {"b"}},
		Body: []byte("hello"), Requests: 1, Connections: 1, FreshEvery: 1,
	}
	if _, err := Run(t.Context(), o, event.Discard); err != nil {
		t.Fatal(err)
	}
	if want := "PUT /p?q=1 host=apps.example.com x=b close=true body=hello"; <-got != want {
		t.Errorf("want %s", want)
	}
}

// A request has what HTTP asks for, and what users give is left as it is.
func TestRequestsAsTheyAreSent(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		want []string // lines; "-X": no line begins so
	}{
		"nothing given":     {Options{URL: "http://app.example.com/"}, []string{"GET / HTTP/1.1", "Host: app.example.com", "User-Agent: drover-load", "-Accept-Encoding", "-Content-Length"}},
		"an agent":          {Options{URL: "http://app.example.com/", Header: http.Header{"User-Agent": {"me"}}}, []string{"User-Agent: me"}},
		"gzip":              {Options{URL: "http://app.example.com/", Gzip: true}, []string{"Accept-Encoding: gzip"}},
		"another encoding":  {Options{URL: "http://app.example.com/", Gzip: true, Header: http.Header{"Accept-Encoding": {"br"}}}, []string{"Accept-Encoding: br"}},
		"a host as header":  {Options{URL: "http://10.0.0.1/", Header: http.Header{"Host": {"app.example.com"}}}, []string{"Host: app.example.com"}},
		"a host as both":    {Options{URL: "http://10.0.0.1/", Host: "a.example.com", Header: http.Header{"Host": {"b.example.com"}}}, []string{"Host: a.example.com"}},
		"a body":            {Options{URL: "http://app.example.com/", Method: "POST", Body: []byte("hello")}, []string{"POST / HTTP/1.1", "Content-Length: 5"}},
		"a body of nothing": {Options{URL: "http://app.example.com/", Method: "POST"}, []string{"Content-Length: 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := newTarget(tt.o.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(target.kept), "\r\n")
			for _, want := range tt.want {
				absent, is := strings.CutPrefix(want, "-")
				if is == slices.ContainsFunc(lines, func(line string) bool { return line == want || is && strings.HasPrefix(line, absent) }) {
					t.Errorf("%s: %q", want, lines)
				}
			}
			if !slices.Contains(strings.Split(string(target.fresh), "\r\n"), "Connection: close") || slices.Contains(lines, "Connection: close") {
				t.Errorf("kept: %q, to be closed: %q", target.kept, target.fresh)
			}
		})
	}
	if _, err := newTarget(Options{URL: "http://app.example.com/", Method: "GET it"}); err == nil || !strings.Contains(err.Error(), "write request") {
		t.Errorf("a method of two words: %v", err)
	}
}

// What nobody says is hey's, and a port is the scheme's.
func TestDefaults(t *testing.T) {
	for url, want := range map[string]string{"http://a/": "a:80", "https://a/": "a:443", "https://a:8443/": "a:8443", "http://[::1]/": "[::1]:80"} {
		target, err := newTarget(Options{URL: url}.withDefaults())
		if err != nil || target.addr != want {
			t.Errorf("%s: %+v, %v; want %s", url, target, err, want)
		}
	}
	if o := (Options{}).withDefaults(); o.Connections != 50 || o.Method != "GET" || o.Source != "closed" || !slices.Equal(o.ExpectStatus, []int{200}) {
		t.Errorf("%+v", o)
	}
	if o := (Options{Rate: 1, Connections: 3}).withDefaults(); o.Source != "steady" || o.Connections != 3 {
		t.Errorf("steady: %+v", o)
	}
	if o := (Options{Rate: 1, Source: "guard"}).withDefaults(); o.Source != "guard" {
		t.Errorf("named: %+v", o)
	}
}

// A connection on which something went wrong, or that the server wants to close, takes no
// other request; one on which all is well does, and each answer is judged by itself.
func TestConnectionsThatTakeNoOtherRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		answer      string
		connections int64
		cause       Cause
	}{
		"all is well":          {okAnswer, 1, ""},
		"it is to close":       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2, ""},
		"it says too much":     {okAnswer + "HTTP/1.1 200 OK\r\n", 2, ""},
		"it makes no sense":    {"hello\r\n\r\n", 2, Malformed},
		"a chunk has no size":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 2, Malformed},
		"another application":  {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokok", 1, WrongApplication},
		"an interim one first": {"HTTP/1.1 103 Early Hints\r\n\r\n" + okAnswer, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int64
			url := serveRaw(t, func(conn net.Conn, n int64) {
				connections.Store(n)
				for in := bufio.NewReader(conn); readRequest(in); {
					_, _ = io.WriteString(conn, tt.answer)
				}
			})
			r, err := Run(t.Context(), Options{URL: url, Requests: 2, Connections: 1, NoRetry: true, Timeout: 10 * time.Second, ExpectBody: regexp.MustCompile("^ok$")}, event.Discard)
			if err != nil || connections.Load() != tt.connections || r.Causes[tt.cause] != r.Failed || (r.Failed == 2) != (tt.cause != "") {
				t.Errorf("%d connections, want %d; %d failed, %v, %v", connections.Load(), tt.connections, r.Failed, r.Causes, err)
			}
		})
	}
}

// All of a body is counted, though not all of it is kept.
func TestLargeBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), maxKept+10))
	}))
	defer server.Close()
	r, err := Run(t.Context(), Options{URL: server.URL, Requests: 2, Connections: 1, ExpectBody: regexp.MustCompile("^x")}, event.Discard)
	if err != nil || r.OK != 2 || r.Bytes != 2*(maxKept+10) {
		t.Errorf("%d ok, %d bytes, %v, %v", r.OK, r.Bytes, r.Causes, err)
	}
}

// Why there is no connection is told apart.
func TestWhyThereIsNoConnection(t *testing.T) {
	for want, err := range map[Cause]error{
		DNS: &net.DNSError{Err: "no such host", IsTimeout: true}, ConnectTimeout: &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded},
		Refused: syscall.ECONNREFUSED, Reset: &net.OpError{Op: "dial", Err: syscall.ECONNRESET}, ConnectFailed: syscall.ENETUNREACH,
	} {
		if got := dialCause(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if got := dialCause(context.DeadlineExceeded); got != ConnectTimeout {
		t.Errorf("a deadline: %s", got)
	}
}

// A compressed answer is judged by what it says.
func TestGzip(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			w.WriteHeader(http.StatusNotAcceptable)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped(t, "echo"))
	}))
	defer server.Close()
	o := Options{URL: server.URL, Requests: 2, Connections: 1, Gzip: true, ExpectBody: regexp.MustCompile("echo")}
	r, err := Run(t.Context(), o, event.Discard)
	if err != nil || r.OK != 2 {
		t.Errorf("%d ok, causes %v, %v; want 2", r.OK, r.Causes, err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	r, err := Run(t.Context(), Options{URL: server.URL, Requests: 2, Connections: 1}, event.Discard)
	if err != nil || r.Causes[TLSFailed] != 2 {
		t.Errorf("causes %v, %v; want 2 times %q: nobody trusts its certificate", r.Causes, err, TLSFailed)
	}
}

func TestURLMistake(t *testing.T) {
	for _, url := range []string{"", "localhost:80", "ftp://x/", "http://"} {
		if _, err := Run(t.Context(), Options{URL: url}, event.Discard); err == nil || !strings.Contains(err.Error(), "read URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// With NoRetry a cut on a reused connection is a failure, also of a GET.
func TestNoRetryCountsCuts(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn, _ int64) {
		in := bufio.NewReader(conn)
		if readRequest(in) {
			_, _ = io.WriteString(conn, okAnswer)
		}
		readRequest(in) // the second request of each connection gets no answer
	})
	r, err := Run(t.Context(), Options{URL: url, Requests: 10, Connections: 1, NoRetry: true}, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK != 5 || r.Failed != 5 || r.Causes[EOFFirst] != 5 || r.Retried != 0 {
		t.Errorf("%d ok, %v, %d retried; want 5 ok, 5 cut", r.OK, r.Causes, r.Retried)
	}
}

// What was due while the process stood still is not sent in one burst, but
// counted as missed.
func TestSkipAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{URL: "http://x/", Requests: 1000, Rate: 100, FreshEvery: 1, SkipAfter: time.Second, Dial: inMemory}.withDefaults()
		target, err := newTarget(o)
		if err != nil {
			t.Fatal(err)
		}
		book := newLedger(o, time.Now())
		missed := steady(t.Context(), o, target, book, time.Now().Add(-5*time.Second)) // 500 are due already
		if r := book.result(o, time.Second); missed != 400 || r.OK != 600 {
			t.Errorf("%d missed, %d ok, %v; want 400, 600", missed, r.OK, r.Causes)
		}
	})
}

// A busy machine notices the end of a load late: what was due by then is sent, and
// not counted as something that all workers were too busy for.
func TestEndThatIsNoticedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{URL: "http://x/", Rate: 200, Dial: inMemory}.withDefaults()
		target, err := newTarget(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		end()
		began := time.Now().Add(-50 * time.Millisecond) // 10 are due already
		book := newLedger(o, began)
		missed := steady(ctx, o, target, book, began)
		if r := book.result(o, time.Second); missed != 0 || r.OK != 10 {
			t.Errorf("%d missed, %d ok, %v; want 0, 10", missed, r.OK, r.Causes)
		}
	})
}

// A steady load holds as many connections as it is told, uses them in turn,
// and gives each up when it is old.
func TestHeldConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, open, most atomic.Int64
		dial := func(context.Context, string, string) (net.Conn, error) {
			opened.Add(1)
			most.Store(max(most.Load(), open.Add(1)))
			client, server := net.Pipe()
			go func() {
				defer open.Add(-1)
				for in := bufio.NewReader(server); readRequest(in); {
					_, _ = io.WriteString(server, okAnswer)
				}
			}()
			return client, nil
		}
		o := Options{URL: "http://x/", Duration: 60 * time.Second, Rate: 50, Held: 5, KeptFor: 10 * time.Second, NoRetry: true, Dial: dial}
		r, err := Run(t.Context(), o, event.Discard)
		if err != nil || r.Failed > 0 {
			t.Fatal(err, r.Causes)
		}
		// A few more, if the first probes are due before the five wait for them.
		if n, at := opened.Load(), most.Load(); at < 5 || at > 10 || n < 5*at || n > 6*at {
			t.Errorf("%d connections at once, %d in a minute; want 5 to 10, and each given up five times", at, n)
		}
	})
}

// inMemory connects to a server that answers one request at once.
func inMemory(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer func() { _ = server.Close() }()
		if readRequest(bufio.NewReader(server)) {
			_, _ = io.WriteString(server, okAnswer)
		}
	}()
	return client, nil
}

// An anchored expression matches whole bodies only, also where it looks like plain text.
func TestIdentity(t *testing.T) {
	for expr, want := range map[string]bool{"made": true, "^made$": true, "^ma$": false, "^ma": true, "de$": true, "ma$": false, "(?i)MADE": true, "MADE": false, "": true} {
		if got := newIdentity(regexp.MustCompile(expr), false).matches("", []byte("made")); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
	packed := newIdentity(regexp.MustCompile("made"), true)
	for name, tt := range map[string]struct {
		encoding string
		body     []byte
		want     bool
	}{"packed": {"gzip", gzipped(t, "made"), true}, "plain": {"", []byte("made"), true}, "packed otherwise": {"br", gzipped(t, "made"), false}, "no gzip at all": {"gzip", []byte("made"), false}} {
		if packed.matches(tt.encoding, tt.body) != tt.want {
			t.Errorf("%s: want %t", name, tt.want)
		}
	}
}
