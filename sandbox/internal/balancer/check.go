package balancer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Check is a health check.
type Check struct {
	Protocol  string // TCP, HTTP or HTTPS
	Port      int
	Path      string // of HTTP
	Matcher   string // of HTTP: statuses such as 200,300-399; empty: 200
	Interval  time.Duration
	Timeout   time.Duration
	Proxy     bool // a header of the proxy protocol comes first, as in every connection to the target
	Healthy   int  // successes in a row until a target is in service
	Unhealthy int  // failures in a row until it is out of service
}

// ParseTarget reads TCP:30080 or HTTP:30080/healthz.
func ParseTarget(text string) (protocol string, port int, path string, err error) {
	protocol, rest, _ := strings.Cut(text, ":")
	digits, path, hasPath := strings.Cut(rest, "/")
	port, perr := strconv.Atoi(digits)
	switch {
	case perr != nil || port < 1 || port > 65535:
		return "", 0, "", fmt.Errorf("%q has no port", text)
	case protocol == "TCP" && !hasPath:
		return protocol, port, "", nil
	case protocol == "HTTP" && hasPath:
		return protocol, port, "/" + path, nil
	}
	return "", 0, "", fmt.Errorf("%q is neither TCP:port nor HTTP:port/path", text)
}

// Repeat probes at every interval until ctx ends, the first time at once, and has
// each result judged.
func (c Check) Repeat(ctx context.Context, probe func() error, judge func(Check, error)) {
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for {
		err := probe()
		if ctx.Err() != nil {
			return
		}
		judge(c, err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Probe asks once. The certificate of a target that speaks HTTPS is not looked at.
func (c Check) Probe(ctx context.Context, network Network, from, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := network.Dial(ctx, from, netip.AddrPortFrom(to, uint16(c.Port)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if c.Proxy {
		if _, err := conn.Write(checkHeader()); err != nil {
			return err
		}
	}
	if c.Protocol == "TCP" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("%s://%s%s", strings.ToLower(c.Protocol), netip.AddrPortFrom(to, uint16(c.Port)), c.Path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", c.userAgent())
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(context.Context, string, string) (net.Conn,
		error) {
		return conn, nil
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if !c.accepts(resp.StatusCode) {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// userAgent is how the two versions of Elastic Load Balancing call themselves.
func (c Check) userAgent() string {
	if c.Matcher == "" {
		return "ELB-HealthChecker/1.0"
	}
	return "ELB-HealthChecker/2.0"
}

func (c Check) accepts(status int) bool {
	if c.Matcher == "" {
		return status == http.StatusOK
	}
	for part := range strings.SplitSeq(c.Matcher, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}
