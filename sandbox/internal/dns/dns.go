// Package dns answers the names that AWS would answer inside the VPC: those of
// load balancers and the private names of instances. There is no outside
// network, so every other name does not exist.
package dns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// ttl is that of load balancer names on AWS, in seconds.
const ttl = 60

// Resolve finds the addresses of a name without its final dot.
type Resolve func(name string) ([]netip.Addr, bool)

// Serve answers on address, UDP and TCP, until ctx ends.
func Serve(ctx context.Context, address string, resolve Resolve) error {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp4", address)
	if err != nil {
		return fmt.Errorf("open DNS: %w", err)
	}
	stream, err := config.Listen(ctx, "tcp4", address)
	if err != nil {
		_ = packets.Close()
		return fmt.Errorf("open DNS: %w", err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(answer(q, resolve)) })
	servers := []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}}
	failed := make(chan error, len(servers))
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(func() { failed <- s.ActivateAndServe() })
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, s := range servers {
		_ = s.ShutdownContext(stop)
	}
	_, _ = packets.Close(), stream.Close() // also if a server had not started yet
	wg.Wait()
	return err
}

func answer(q *dns.Msg, resolve Resolve) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return m
	}
	question := q.Question[0]
	ips, ok := resolve(question.Name[:max(len(question.Name)-1, 0)])
	switch {
	case !ok:
		m.Rcode = dns.RcodeNameError
	case question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY:
		rand.Shuffle(len(ips), func(i, j int) { ips[i], ips[j] = ips[j], ips[i] })
		for _, ip := range ips {
			m.Answer = append(m.Answer, &dns.A{A: ip.AsSlice(), Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA,
				Class: dns.ClassINET, Ttl: ttl}})
		}
	}
	return m
}
