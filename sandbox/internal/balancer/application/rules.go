package application

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Rule says of the requests that meet all its conditions what becomes of them.
type Rule struct {
	Conditions []Condition
	Action     Action
}

// Condition holds if one of its values fits. Values may have * and ? in them.
type Condition struct {
	Field  string // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Header string // of http-header
	Values []string
	Query  []Pair // of query-string
}

// Pair is a parameter of a query; an empty key stands for any.
type Pair struct{ Key, Value string }

// Action is what becomes of a request: one of the three.
type Action struct {
	Forward  []Weighted
	Sticky   int // of Forward: seconds for which a client stays with a group; 0: it need not
	Redirect *Redirect
	Fixed    *Fixed
}

// Weighted is a target group with its share of the requests.
type Weighted struct {
	Group  string
	Weight int
}

// Redirect may have #{protocol}, #{host}, #{port}, #{path} and #{query} in its parts.
type Redirect struct {
	Protocol, Port, Host, Path, Query string
	Status                            int
}

// Fixed is an answer of the balancer's own.
type Fixed struct {
	Status            int
	ContentType, Body string
}

// route finds what becomes of a request: the first rule that fits. The last one
// of a listener has no conditions.
func route(rules []Rule, r *http.Request) Action {
	for _, rule := range rules {
		if rule.fits(r) {
			return rule.Action
		}
	}
	return Action{Fixed: &Fixed{Status: http.StatusNotFound}}
}

func (rule Rule) fits(r *http.Request) bool {
	for _, c := range rule.Conditions {
		if !c.holds(r) {
			return false
		}
	}
	return true
}

func (c Condition) holds(r *http.Request) bool {
	switch c.Field {
	case "host-header":
		return c.any(strings.ToLower(hostOnly(r.Host)), strings.ToLower)
	case "path-pattern":
		return c.any(r.URL.EscapedPath(), same)
	case "http-header":
		return c.header(r)
	case "http-request-method":
		return c.any(r.Method, same)
	case "query-string":
		return c.query(r.URL.RawQuery)
	case "source-ip":
		return c.source(r.RemoteAddr)
	}
	return false
}

func same(s string) string { return s }

func (c Condition) any(text string, fold func(string) string) bool {
	for _, pattern := range c.Values {
		if glob(fold(pattern), text) {
			return true
		}
	}
	return false
}

func (c Condition) header(r *http.Request) bool {
	for _, value := range r.Header.Values(c.Header) {
		if c.any(strings.ToLower(value), strings.ToLower) {
			return true
		}
	}
	return false
}

func (c Condition) query(raw string) bool {
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		for _, want := range c.Query {
			if (want.Key == "" || glob(strings.ToLower(want.Key), strings.ToLower(key))) && glob(strings.ToLower(want.Value), strings.ToLower(value)) {
				return true
			}
		}
	}
	return false
}

func (c Condition) source(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, cidr := range c.Values {
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Contains(at.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// glob: * stands for any number of characters, ? for exactly one.
func glob(pattern, text string) bool {
	star, mark, p, t := -1, 0, 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// share chooses a group by weight; empty if none has any.
func (a Action) share() string {
	total := 0
	for _, g := range a.Forward {
		total += g.Weight
	}
	if total == 0 {
		return ""
	}
	at := rand.IntN(total)
	for _, g := range a.Forward {
		if at -= g.Weight; at < 0 {
			return g.Group
		}
	}
	return ""
}

// location is where a redirect sends a request that came to the port.
func (to Redirect) location(r *http.Request, protocol string, port int) string {
	fill := strings.NewReplacer("#{protocol}", protocol, "#{host}", hostOnly(r.Host), "#{port}", strconv.Itoa(port),
		"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"), "#{query}", r.URL.RawQuery)
	u := url.URL{Scheme: strings.ToLower(fill.Replace(to.Protocol)), Host: net.JoinHostPort(fill.Replace(to.Host), fill.Replace(to.Port))}
	location := u.String() + fill.Replace(to.Path)
	if query := fill.Replace(to.Query); query != "" {
		location += "?" + query
	}
	return location
}
