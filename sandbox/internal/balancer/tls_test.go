package balancer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

// identity is a certificate for names, signed by itself.
func identity(t *testing.T, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// tlsEcho is a target that speaks TLS: it sends the protocol that was agreed on, and then what it gets.
func tlsEcho(t *testing.T, ip string, port int) {
	t.Helper()
	l, err := tls.Listen("tcp4", netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port)).String(),
		&tls.Config{Certificates: []tls.Certificate{*identity(t, "target")}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, func(c net.Conn) {
		conn := c.(*tls.Conn)
		if conn.Handshake() != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "%s %q\n", ip, conn.ConnectionState().NegotiatedProtocol)
		_, _ = io.Copy(c, c)
		_, _ = io.WriteString(c, "bye")
	})
}

// say shakes hands, says something, ends its half, and reads to the end.
func (r *rig) say(config *tls.Config) (said string, state tls.ConnectionState, err error) {
	r.t.Helper()
	config.InsecureSkipVerify = true
	dialer := tls.Dialer{Config: config}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		return "", state, err
	}
	defer func() { _ = c.Close() }()
	conn := c.(*tls.Conn)
	if _, err := io.WriteString(c, "hello "); err != nil {
		return "", state, err
	}
	if err := conn.CloseWrite(); err != nil {
		return "", state, err
	}
	data, err := io.ReadAll(c)
	return string(data), conn.ConnectionState(), err
}

// TLS ends at the balancer: targets hear what clients say, and half-closes pass.
func TestTLSEndsHere(t *testing.T) {
	r := newRig(t)
	r.spec.Flows = true
	r.spec.Fronts = map[int]*Front{r.port: {Identities: Identities{identity(t, "a.example.com"), identity(t, "*.example.org")}, Protocols: []string{"h2", "http/1.1"}}}
	delete(r.spec.Targets, "127.0.0.2")
	r.apply()
	r.inService("127.0.0.3")
	for name, want := range map[string]string{"": "a.example.com", "a.example.com": "a.example.com", "b.example.org": "*.example.org", "other": "a.example.com"} {
		said, state, err := r.say(&tls.Config{ServerName: name})
		if err != nil || said != "127.0.0.3\nhello bye" || state.PeerCertificates[0].DNSNames[0] != want {
			t.Errorf("%q: %q %v %v, want the certificate of %s", name, said, state.PeerCertificates, err, want)
		}
	}
	if _, state, err := r.say(&tls.Config{NextProtos: []string{"http/1.1", "h2"}}); err != nil || state.NegotiatedProtocol != "h2" {
		t.Errorf("agreed on %q, %v; the balancer prefers h2", state.NegotiatedProtocol, err)
	}
	if _, _, err := r.say(&tls.Config{NextProtos: []string{"spdy/1"}}); err == nil {
		t.Error("a client that knows none of the protocols was let in")
	}
	plain, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if data, _ := io.ReadAll(plain); string(data) == "127.0.0.3\n" {
		t.Error("a client without TLS has reached the target")
	}
}

// Targets are spoken to by TLS, in the protocol that the client has agreed on.
func TestTLSToTargets(t *testing.T) {
	r := newRig(t)
	r.spec.Flows, r.spec.Behind = true, true
	r.spec.Fronts = map[int]*Front{r.port: {Identities: Identities{identity(t, "a")}, Protocols: []string{"http/1.1", "h2"}}}
	port := freePort(t)
	tlsEcho(t, "127.0.0.4", port)
	r.spec.Targets = map[string]Target{"4": {IP: netip.MustParseAddr("127.0.0.4"), Port: port, Check: port}}
	r.apply()
	r.inService("4")
	for _, c := range []struct {
		offers []string
		want   string
	}{{nil, `127.0.0.4 ""`}, {[]string{"h2"}, `127.0.0.4 "h2"`}, {[]string{"h2", "http/1.1"}, `127.0.0.4 "http/1.1"`}} {
		if said, _, err := r.say(&tls.Config{NextProtos: c.offers}); err != nil || said != c.want+"\nhello bye" {
			t.Errorf("%v: %q %v", c.offers, said, err)
		}
	}
}
