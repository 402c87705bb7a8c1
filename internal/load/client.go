package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// maxKept bounds how much of a body is kept for the identity check; all of it
// is read and counted.
const maxKept = 1 << 20

// client sends one request at a time over a connection of its own. It stands
// in for net/http's client, whose Transport would repeat a request in silence
// when a reused connection turns out to be closed, and which costs half as much
// processor time again (BenchmarkClient), on a machine that may also run the target.
//
// The same repetition happens here, because every browser and library does it
// (RFC 9110, 9.2.2: an idempotent request may be repeated when its connection
// closes before any answer), but once, and counted: answer.retried. With
// Options.NoRetry it does not: the request has failed.
type client struct {
	target  *target
	timeout time.Duration
	keptFor time.Duration // 0: for as long as the server likes
	conn    net.Conn
	opened  time.Time
	in      *bufio.Reader
	limited io.LimitedReader
	body    bytes.Buffer
	request *http.Request // tells ReadResponse the method
}

// answer is what came of one request.
type answer struct {
	status  int   // 0: no status line arrived
	bytes   int64 // of the body
	cause   Cause
	retried bool
}

func newClient(t *target, timeout time.Duration) *client {
	return &client{
		target:  t,
		timeout: timeout,
		in:      bufio.NewReader(nil),
		request: &http.Request{Method: t.method},
	}
}

// do sends the request, on the open connection if there is one. fresh asks the
// server to close it after the answer.
func (c *client) do(fresh bool) answer {
	var deadline time.Time
	if c.timeout > 0 {
		deadline = time.Now().Add(c.timeout)
	}
	if c.conn != nil && (c.aged() || !alive(c.conn)) { // closed while idle: nothing was sent on it
		c.close()
	}
	reused := c.conn != nil
	a, unanswered := c.try(deadline, fresh)
	if unanswered && reused && c.target.repeatable {
		a, _ = c.try(deadline, fresh)
		a.retried = true
	}
	return a
}

// try sends the request once. unanswered: the connection ended before the
// first byte of an answer.
func (c *client) try(deadline time.Time, fresh bool) (a answer, unanswered bool) {
	if c.conn == nil {
		if cause := c.dial(deadline); cause != "" {
			return answer{cause: cause}, false
		}
	}
	if c.timeout > 0 {
		if err := c.conn.SetDeadline(deadline); err != nil {
			c.close()
			return answer{cause: exchangeCause(err, EOFFirst)}, true
		}
	}
	request := c.target.kept
	if fresh {
		request = c.target.fresh
	}
	_, err := c.conn.Write(request)
	if err == nil {
		_, err = c.in.Peek(1)
	}
	if err != nil {
		c.close()
		cause := exchangeCause(err, EOFFirst)
		return answer{cause: cause}, cause != Timeout
	}
	return c.receive(), false
}

func (c *client) dial(deadline time.Time) Cause {
	// Not the load's context: a request in flight may finish when the load stops.
	ctx := context.Background()
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	conn, err := c.target.dial(ctx, "tcp", c.target.addr)
	if err != nil {
		return dialCause(err)
	}
	if c.target.tls != nil {
		secure := tls.Client(conn, c.target.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			if cause := exchangeCause(err, TLSFailed); cause != Malformed {
				return cause
			}
			return TLSFailed
		}
		conn = secure
	}
	c.conn, c.opened = conn, time.Now()
	c.in.Reset(conn)
	return ""
}

func (c *client) aged() bool { return c.keptFor > 0 && time.Since(c.opened) > c.keptFor }

// receive reads one answer to its end and closes the connection unless it can
// carry another request.
func (c *client) receive() answer {
	resp, err := c.head()
	if err != nil {
		c.close()
		return answer{cause: exchangeCause(err, Malformed)}
	}
	a := answer{status: resp.StatusCode}
	a.bytes, err = c.readBody(resp.Body)
	if err != nil {
		c.close()
		a.cause = exchangeCause(err, TruncatedBody)
		return a
	}
	if resp.Close || c.in.Buffered() > 0 {
		c.close()
	}
	a.cause = c.target.judge(a.status, resp.Header.Get("Content-Encoding"), c.body.Bytes())
	return a
}

// head reads the answer's head, past any interim (1xx) ones.
func (c *client) head() (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.in, c.request)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// readBody reads all of it and keeps what the identity check may need.
func (c *client) readBody(body io.Reader) (int64, error) {
	c.body.Reset()
	if !c.target.body.wanted() {
		return io.Copy(io.Discard, body)
	}
	c.limited = io.LimitedReader{R: body, N: maxKept}
	n, err := c.body.ReadFrom(&c.limited)
	if err != nil {
		return n, err
	}
	rest, err := io.Copy(io.Discard, body)
	return n + rest, err
}

func (c *client) close() {
	if c.conn == nil {
		return
	}
	_ = c.conn.Close()
	c.conn = nil
}
