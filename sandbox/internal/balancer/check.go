package balancer

import (
	"context"
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
	Protocol  string // TCP or HTTP
	Port      int
	Path      string // of HTTP
	Interval  time.Duration
	Timeout   time.Duration
	Healthy   int // successes in a row until a target is in service
	Unhealthy int // failures in a row until it is out of service
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

// probe asks once. HTTP is healthy at status 200 and nothing else.
func (c Check) probe(ctx context.Context, network Network, from, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := network.Dial(ctx, from, netip.AddrPortFrom(to, uint16(c.Port)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if c.Protocol == "TCP" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://%s%s", netip.AddrPortFrom(to, uint16(c.Port)), c.Path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/1.0")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn,
		error) {
		return conn, nil
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
