package application

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func request(target string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = "10.1.2.3:4000"
	for _, f := range change {
		f(r)
	}
	return r
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name string
		Condition
		request *http.Request
		want    bool
	}{
		{"host", Condition{Field: "host-header", Values: []string{"*.Example.com"}}, request("http://Shop.example.com:8080/"), true},
		{"other host", Condition{Field: "host-header", Values: []string{"*.example.com"}}, request("http://example.com/"), false},
		{"one of two hosts", Condition{Field: "host-header", Values: []string{"a", "b"}}, request("http://b/"), true},
		{"path", Condition{Field: "path-pattern", Values: []string{"/img/*"}}, request("http://a/img/x/y.png?z=1"), true},
		{"path is exact", Condition{Field: "path-pattern", Values: []string{"/img"}}, request("http://a/img/"), false},
		{"path has a case", Condition{Field: "path-pattern", Values: []string{"/Img"}}, request("http://a/img"), false},
		{"one character", Condition{Field: "path-pattern", Values: []string{"/v?/a"}}, request("http://a/v2/a"), true},
		{"stars within", Condition{Field: "path-pattern", Values: []string{"/*a*b"}}, request("http://x/1a2ab"), true},
		{"method", Condition{Field: "http-request-method", Values: []string{"GET"}}, request("http://a/"), true},
		{"header", Condition{Field: "http-header", Header: "User-Agent", Values: []string{"*curl*"}},
			request("http://a/", func(r *http.Request) { r.Header.Set("User-Agent", "Curl/8") }), true},
		{"no header", Condition{Field: "http-header", Header: "X", Values: []string{"*"}}, request("http://a/"), false},
		{"query", Condition{Field: "query-string", Query: []Pair{{"version", "v*"}}}, request("http://a/?x=1&Version=V2"), true},
		{"any key", Condition{Field: "query-string", Query: []Pair{{"", "2"}}}, request("http://a/?x=2"), true},
		{"no query", Condition{Field: "query-string", Query: []Pair{{"x", "1"}}}, request("http://a/?x=2"), false},
		{"source", Condition{Field: "source-ip", Values: []string{"10.0.0.0/8"}}, request("http://a/"), true},
		{"other source", Condition{Field: "source-ip", Values: []string{"10.2.0.0/16"}}, request("http://a/"), false},
	} {
		if got := c.holds(c.request); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// The first rule that fits decides, and all conditions of it must hold.
func TestRoute(t *testing.T) {
	host := Condition{Field: "host-header", Values: []string{"a"}}
	rules := []Rule{
		{[]Condition{host, {Field: "path-pattern", Values: []string{"/x"}}}, Action{Fixed: &Fixed{Status: 201}}},
		{[]Condition{host}, Action{Fixed: &Fixed{Status: 202}}},
		{nil, Action{Fixed: &Fixed{Status: 404}}},
	}
	for target, want := range map[string]int{"http://a/x": 201, "http://a/y": 202, "http://b/x": 404} {
		if got := route(rules, request(target)).Fixed.Status; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

func TestRedirect(t *testing.T) {
	all := Redirect{Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}"}
	secure := all
	secure.Protocol, secure.Port = "HTTPS", "443"
	moved := all
	moved.Host, moved.Path = "new.#{host}", "/v2/#{path}"
	for _, c := range []struct {
		to   Redirect
		want string
	}{
		{secure, "https://a:443/x/y?z=1"},
		{moved, "http://new.a:80/v2/x/y?z=1"},
	} {
		if got := c.to.location(request("http://a/x/y?z=1"), "http", 80); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// Weights decide how many requests a group gets, and none has a share of nothing.
func TestShare(t *testing.T) {
	a := Action{Forward: []Weighted{{"one", 1}, {"none", 0}, {"three", 3}}}
	got := map[string]int{}
	for range 4000 {
		got[a.share()]++
	}
	if got["none"] != 0 || got["one"] < 800 || got["one"] > 1200 || got["one"]+got["three"] != 4000 {
		t.Errorf("%v", got)
	}
	if g := (Action{Forward: []Weighted{{"none", 0}}}).share(); g != "" {
		t.Errorf("a group without weight gets requests: %s", g)
	}
}

// A target's share grows with the time since it is healthy.
func TestSlowStart(t *testing.T) {
	g := &group{spec: Group{SlowStart: time.Minute}}
	old := &target{id: "old", group: g, healthy: true, since: time.Now().Add(-time.Hour)}
	fresh := &target{id: "new", group: g, healthy: true, since: time.Now().Add(-15 * time.Second)}
	got := map[string]int{}
	for range 1000 {
		got[next([]*target{old, fresh}).id]++
	}
	if got["new"] < 180 || got["new"] > 220 { // 0.25 of 1.25
		t.Errorf("%v", got)
	}
}
