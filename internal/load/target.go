package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"

	"github.com/droverhq/drover/problem"
)

// target is one request, written once and sent many times, and what its
// answer must look like.
type target struct {
	dial       func(ctx context.Context, network, addr string) (net.Conn, error)
	addr       string      // host:port to dial
	tls        *tls.Config // nil for http
	kept       []byte      // the request as sent on a connection that stays
	fresh      []byte      // the same with "Connection: close"
	method     string
	repeatable bool // is sent again when a reused connection turns out to be closed
	statuses   []int
	body       identity
}

func newTarget(o Options) (*target, error) {
	u, err := url.Parse(o.URL)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("want http://host[:port]/path or https://…")
	}
	if err != nil {
		return nil, usage("read URL "+strconv.Quote(o.URL), err, "give the whole URL, as in drover load http://example.com/")
	}
	t := &target{
		dial:     o.Dial,
		addr:     address(u),
		method:   o.Method,
		statuses: o.ExpectStatus,
		body:     newIdentity(o.ExpectBody, o.Gzip),
	}
	if u.Scheme == "https" {
		t.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if t.kept, err = render(o, u, false); err == nil {
		t.fresh, err = render(o, u, true)
	}
	if err != nil {
		return nil, usage("write request", err, "check the method and the headers")
	}
	switch o.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		t.repeatable = !o.NoRetry // RFC 9110, 9.2.2
	}
	return t, nil
}

func usage(op string, err error, fix string) error {
	return &problem.Error{Kind: problem.Usage, Op: op, Err: err, Fix: fix}
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// render is the request as it goes over the wire.
func render(o Options, u *url.URL, closeAfter bool) ([]byte, error) {
	var body io.Reader
	if len(o.Body) > 0 {
		body = bytes.NewReader(o.Body)
	}
	req, err := http.NewRequest(o.Method, u.String(), body) //nolint:noctx // never sent, only written to memory
	if err != nil {
		return nil, err
	}
	if o.Header != nil {
		req.Header = o.Header.Clone()
	}
	req.Host = o.Host
	if req.Host == "" {
		req.Host = req.Header.Get("Host") // hey's users write -H "Host: …"
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "drover-load")
	}
	if o.Gzip && req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	req.Close = closeAfter
	var b bytes.Buffer
	err = req.Write(&b)
	return b.Bytes(), err
}

// judge names what is wrong with a complete answer; empty: nothing.
func (t *target) judge(status int, encoding string, body []byte) Cause {
	if !slices.Contains(t.statuses, status) {
		return statusCause(status)
	}
	if !t.body.matches(encoding, body) {
		return WrongApplication
	}
	return ""
}

// identity tells the answers of the right application from all others.
type identity struct {
	literal []byte         // set when the expression is plain text: a search costs a fraction of a match
	expr    *regexp.Regexp // otherwise
	gzip    bool
}

func newIdentity(expr *regexp.Regexp, gzip bool) identity {
	if expr == nil {
		return identity{}
	}
	// Not LiteralPrefix: it calls "^ok$" the whole literal "ok".
	tree, err := syntax.Parse(expr.String(), syntax.Perl)
	if err == nil && tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		return identity{literal: []byte(string(tree.Rune)), gzip: gzip}
	}
	return identity{expr: expr, gzip: gzip}
}

// wanted says whether bodies are looked at, and so must be kept.
func (i identity) wanted() bool { return i.literal != nil || i.expr != nil }

func (i identity) matches(encoding string, body []byte) bool {
	if !i.wanted() {
		return true
	}
	if i.gzip && encoding == "gzip" {
		plain, err := unzip(body)
		if err != nil {
			return false
		}
		body = plain
	}
	if i.literal != nil {
		return bytes.Contains(body, i.literal)
	}
	return i.expr.Match(body)
}

func unzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("read gzip header: %w", err)
	}
	return io.ReadAll(io.LimitReader(r, maxKept))
}
