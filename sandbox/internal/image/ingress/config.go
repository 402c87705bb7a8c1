package ingress

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are the values that a ConfigMap may set. Names, meaning and defaults are
// those of NGINX Inc's controller; an unknown key is left alone.
type Settings struct {
	WorkerProcesses       string
	WorkerConnections     string
	WorkerShutdownTimeout string // how long a retired worker may finish its connections
	KeepaliveTimeout      string // how long an idle client connection is kept
	KeepaliveRequests     string // requests on one client connection before it is closed
	KeepaliveTime         string // age of a client connection at which it is closed
	Keepalive             string // idle connections to an upstream that a worker keeps
	ConnectTimeout        string
	ReadTimeout           string
	SendTimeout           string
	NextUpstream          string // which failures send a request to another endpoint
	NextUpstreamTries     string
	MaxFails              string
	FailTimeout           string
	ClientMaxBodySize     string
	ServerTokens          string
	LBMethod              string
}

// defaultSettings are the controller's where it has them. Idle upstream
// connections are 0 there, which costs a connection for every request.
func defaultSettings() Settings {
	return Settings{
		WorkerProcesses: "auto", WorkerConnections: "4096", WorkerShutdownTimeout: "",
		KeepaliveTimeout: "75s", KeepaliveRequests: "1000", KeepaliveTime: "1h", Keepalive: "32",
		ConnectTimeout: "60s", ReadTimeout: "60s", SendTimeout: "60s",
		NextUpstream: "error timeout", NextUpstreamTries: "0", MaxFails: "1", FailTimeout: "10s",
		ClientMaxBodySize: "1m", ServerTokens: "on", LBMethod: "random two least_conn",
	}
}

// apply reads the ConfigMap's data. A value that nginx could not take is
// reported and leaves the default.
func (s *Settings) apply(data map[string]string, log io.Writer) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[key])
		target, valid := s.setting(key)
		switch {
		case target == nil:
		case !valid(value):
			_, _ = fmt.Fprintf(log, "ConfigMap: %s: %q is not a valid value, using %q\n", key, value, *target)
		default:
			*target = value
		}
	}
}

// setting is where a key's value goes and what it may be; nil for a key that is unknown here.
func (s *Settings) setting(key string) (*string, func(string) bool) {
	switch key {
	case "worker-processes":
		return &s.WorkerProcesses, func(v string) bool { return v == "auto" || isNumber(v) }
	case "worker-connections":
		return &s.WorkerConnections, isNumber
	case "worker-shutdown-timeout":
		return &s.WorkerShutdownTimeout, isTime
	case "keepalive-timeout":
		return &s.KeepaliveTimeout, isTime
	case "keepalive-requests":
		return &s.KeepaliveRequests, isNumber
	case "keepalive-time":
		return &s.KeepaliveTime, isTime
	case "keepalive":
		return &s.Keepalive, isNumber
	case "proxy-connect-timeout":
		return &s.ConnectTimeout, isTime
	case "proxy-read-timeout":
		return &s.ReadTimeout, isTime
	case "proxy-send-timeout":
		return &s.SendTimeout, isTime
	case "proxy-next-upstream":
		return &s.NextUpstream, isWords
	case "proxy-next-upstream-tries":
		return &s.NextUpstreamTries, isNumber
	case "max-fails":
		return &s.MaxFails, isNumber
	case "fail-timeout":
		return &s.FailTimeout, isTime
	case "client-max-body-size":
		return &s.ClientMaxBodySize, isSize
	case "server-tokens":
		return &s.ServerTokens, func(v string) bool { return v == "on" || v == "off" || v == "build" }
	case "lb-method":
		return &s.LBMethod, isWords
	}
	return nil, nil
}

func isNumber(v string) bool {
	_, err := strconv.ParseUint(v, 10, 31)
	return err == nil
}

// isTime accepts nginx's simple form: 30s, 500ms, 1h, or a number of seconds.
func isTime(v string) bool {
	if isNumber(v) {
		return true
	}
	d, err := time.ParseDuration(v)
	return err == nil && d >= 0 && !strings.ContainsAny(v, ".unµμ") // it knows no fractions, and nothing below a millisecond
}

func isSize(v string) bool { return isNumber(strings.TrimRight(strings.ToLower(v), "kmg")) }

// isWords keeps what could end the directive out of the configuration.
func isWords(v string) bool {
	return v != "" && strings.IndexFunc(v, func(r rune) bool {
		return r != ' ' && r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) < 0
}

// site is one server block: a host and where its paths lead.
type site struct {
	host  string // empty: any host that no other site has
	paths []route
}

// route is one location block.
type route struct {
	match    string // what follows "location"
	upstream string // empty: nobody serves it
}

// upstream is one group of endpoints.
type upstream struct {
	name    string
	servers []string // ip:port, sorted
}

// layout is all that decides the configuration, in the order it is written.
type layout struct {
	settings   Settings
	upstreams  []upstream
	sites      []site
	openFiles  uint64 // limit of a worker
	dir        string // where nginx keeps its files
	root       bool   // whether nginx can choose who its workers are
	generation int
}

// write renders nginx.conf.
func (l layout) write(w *strings.Builder) {
	s := l.settings
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	if l.root {
		p("user nginx;")
	}
	p("daemon off;")
	p("pid %s/nginx.pid;", l.dir)
	p("error_log stderr warn;")
	p("worker_processes %s;", s.WorkerProcesses)
	p("worker_rlimit_nofile %d;", l.openFiles)
	if s.WorkerShutdownTimeout != "" {
		p("worker_shutdown_timeout %s;", s.WorkerShutdownTimeout)
	}
	p("")
	p("events {\n    worker_connections %s;\n}", s.WorkerConnections)
	p("")
	p("http {")
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		p("    %s_temp_path %s/%s;", name, l.dir, name)
	}
	p("    access_log off;")
	p("    default_type application/octet-stream;")
	p("    tcp_nodelay on;")
	p("    server_tokens %s;", s.ServerTokens)
	p("    server_names_hash_bucket_size 256;")
	p("    client_max_body_size %s;", s.ClientMaxBodySize)
	p("    keepalive_timeout %s;", s.KeepaliveTimeout)
	p("    keepalive_requests %s;", s.KeepaliveRequests)
	p("    keepalive_time %s;", s.KeepaliveTime)
	p("")
	p("    proxy_http_version 1.1;")
	p(`    proxy_set_header Connection "";`)
	p("    proxy_set_header Host $host;")
	p("    proxy_set_header X-Real-IP $remote_addr;")
	p("    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;")
	p("    proxy_set_header X-Forwarded-Host $host;")
	p("    proxy_set_header X-Forwarded-Port $server_port;")
	p("    proxy_set_header X-Forwarded-Proto $scheme;")
	p("    proxy_connect_timeout %s;", s.ConnectTimeout)
	p("    proxy_read_timeout %s;", s.ReadTimeout)
	p("    proxy_send_timeout %s;", s.SendTimeout)
	p("    proxy_next_upstream %s;", s.NextUpstream)
	p("    proxy_next_upstream_tries %s;", s.NextUpstreamTries)
	for _, u := range l.upstreams {
		l.writeUpstream(u, p)
	}
	for _, site := range l.withDefault() {
		writeSite(site, p)
	}
	l.writeStatus(p)
	p("}")
}

func (l layout) writeUpstream(u upstream, p func(string, ...any)) {
	p("\n    upstream %s {", u.name)
	p("        zone %s 256k;", u.name) // one state for all workers
	p("        %s;", l.settings.LBMethod)
	for _, server := range u.servers {
		p("        server %s max_fails=%s fail_timeout=%s;", server, l.settings.MaxFails, l.settings.FailTimeout)
	}
	if l.settings.Keepalive != "0" {
		p("        keepalive %s;", l.settings.Keepalive)
	}
	p("    }")
}

// backlog is the length of the queue of connections that wait for a worker.
// The kernel caps it at somaxconn, 4096 in a new network namespace.
const backlog = 4096

// withDefault adds the site that answers 404 to hosts nobody has asked for.
func (l layout) withDefault() []site {
	if len(l.sites) > 0 && l.sites[0].host == "" {
		return l.sites
	}
	return append([]site{{}}, l.sites...)
}

func writeSite(s site, p func(string, ...any)) {
	p("\n    server {")
	if s.host == "" {
		p("        listen 80 default_server backlog=%d;", backlog)
		p("        server_name _;")
	} else {
		p("        listen 80;")
		p("        server_name %s;", s.host)
	}
	root := false
	for _, r := range s.paths {
		root = root || r.match == "/"
		p("        location %s {", r.match)
		if r.upstream == "" {
			p("            return 502;") // no endpoint
		} else {
			p("            proxy_pass http://%s;", r.upstream)
		}
		p("        }")
	}
	if !root {
		p("        location / {\n            return 404;\n        }")
	}
	p("    }")
}

// writeStatus adds what kubelet and controller ask: is nginx up, and with which configuration.
func (l layout) writeStatus(p func(string, ...any)) {
	p("\n    server {")
	p("        listen unix:%s/generation.sock;", l.dir)
	p(`        location / {`)
	p(`            return 200 "%d";`, l.generation)
	p("        }")
	p("    }")
}
