package standin

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A stand-in says who answered; asked to resolve a name it asks once, and tells
// a query that nobody answered from one that found nothing.
func TestHandler(t *testing.T) {
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		asked = append(asked, q.Question[0].Name)
		if m.Rcode = dns.RcodeNameError; q.Question[0].Name == "app.apps.svc.cluster.local." {
			m.Rcode = dns.RcodeSuccess
			m.Answer = []dns.RR{&dns.A{A: net.IPv4(10, 100, 0, 7), Hdr: dns.RR_Header{Name: q.Question[0].Name,
				Rrtype: dns.TypeA, Class: dns.ClassINET}}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	host, port, _ := net.SplitHostPort(packets.LocalAddr().String())
	if err := os.WriteFile(conf, fmt.Appendf(nil, "nameserver %s\nsearch apps.svc.cluster.local\n", host), 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler(conf, port).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		path string
		code int
		says string
	}{
		{"/x", 200, "GET /x answered by "},
		{"/resolve/app.apps.svc.cluster.local", 200, "is 10.100.0.7, answered by "},
		{"/resolve/nobody.apps.svc.cluster.local", 502, "NXDOMAIN"},
	} {
		if code, body := get(c.path); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.path, code, body)
		}
	}
	if err := server.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if code, body := get("/resolve/app.apps.svc.cluster.local"); code != 502 || strings.Contains(body, "NXDOMAIN") {
		t.Errorf("with nobody there: %d %s", code, body)
	}
	if len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
}
