package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Cause is why a request failed; empty: it did not. The texts are part of the
// documented format (docs/load.md) and never hold a comma.
type Cause string

// All causes but the status ones ("status 502").
const (
	DNS              Cause = "dns"                 // the host name could not be resolved
	Refused          Cause = "connection refused"  // nobody listens
	ConnectTimeout   Cause = "connect timeout"     // no connection within the request's timeout
	ConnectFailed    Cause = "connect failed"      // any other reason for no connection: no route, no free port
	TLSFailed        Cause = "tls"                 // the handshake failed
	Reset            Cause = "reset"               // the peer reset the connection, before or in the answer
	EOFFirst         Cause = "EOF before response" // the connection closed before the first byte of the answer
	Timeout          Cause = "timeout"             // no complete answer within the request's timeout
	TruncatedBody    Cause = "truncated body"      // the connection closed before the end of the body
	Malformed        Cause = "malformed response"  // the answer, or its end within the headers, is not HTTP
	WrongApplication Cause = "wrong application"   // expected status, but the body is another application's
)

func statusCause(status int) Cause { return Cause(fmt.Sprintf("status %d", status)) }

// dialCause classifies why there is no connection.
func dialCause(err error) Cause {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return DNS
	case timedOut(err):
		return ConnectTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET):
		return Reset
	}
	return ConnectFailed
}

// exchangeCause classifies what went wrong on an open connection; atEnd is the
// cause if the peer simply closed it there.
func exchangeCause(err error, atEnd Cause) Cause {
	switch {
	case timedOut(err):
		return Timeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return atEnd
	}
	return Malformed
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}
