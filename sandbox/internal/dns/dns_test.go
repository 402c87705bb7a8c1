package dns

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// Known names have their address, an empty answer for other types, and
// nothing else exists; over UDP and TCP.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, address, func(name string) ([]netip.Addr, bool) {
			return []netip.Addr{netip.MustParseAddr("172.16.1.2"), netip.MustParseAddr("172.16.33.2")}, name == "lb.us-west-2.elb.amazonaws.com"
		})
	}()
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			name        string
			kind        uint16
			rcode, size int
		}{
			{"lb.us-west-2.elb.amazonaws.com.", dns.TypeA, dns.RcodeSuccess, 2},
			{"lb.us-west-2.elb.amazonaws.com.", dns.TypeAAAA, dns.RcodeSuccess, 0},
			{"example.com.", dns.TypeA, dns.RcodeNameError, 0},
		} {
			client := &dns.Client{Net: network}
			m, _, err := client.Exchange(new(dns.Msg).SetQuestion(c.name, c.kind), address)
			for try := 0; err != nil && try < 100; try++ { // it may not be open yet
				m, _, err = client.Exchange(new(dns.Msg).SetQuestion(c.name, c.kind), address)
			}
			if err != nil || m.Rcode != c.rcode || len(m.Answer) != c.size {
				t.Errorf("%s %s type %d: %v %v", network, c.name, c.kind, m, err)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
