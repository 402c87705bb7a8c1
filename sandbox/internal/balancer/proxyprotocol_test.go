package balancer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// greeted is a target that reads a header of the proxy protocol from each
// connection, and tells its command and what it says; then it sends back what comes.
func greeted(t *testing.T, address netip.AddrPort) <-chan []byte {
	t.Helper()
	l, err := net.Listen("tcp4", address.String())
	if err != nil {
		t.Fatal(err)
	}
	headers := make(chan []byte, 100)
	serve(t, l, func(c net.Conn) {
		r := bufio.NewReader(c)
		head := make([]byte, 16)
		if _, err := io.ReadFull(r, head); err != nil || !bytes.HasPrefix(head, []byte("\r\n\r\n\x00\r\nQUIT\n")) {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
		if _, err := io.ReadFull(r, rest); err != nil {
			return
		}
		headers <- append(head[12:14], rest...)
		_, _ = io.Copy(c, r)
	})
	return headers
}

// With the proxy protocol a target is told who a client is, before the client's own
// bytes; of health checks it is told that they are nobody's.
func TestTargetsAreToldWhoConnects(t *testing.T) {
	r := newRig(t)
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.4"), uint16(freePort(t)))
	headers := greeted(t, to)
	r.spec.Targets = map[string]Target{"one": {IP: to.Addr(), Port: int(to.Port()), Check: int(to.Port())}}
	r.spec.Check.Proxy = true
	r.apply()
	r.inService("one")
	if check := <-headers; !bytes.Equal(check, []byte{0x20, 0x00}) {
		t.Errorf("a health check begins with % x", check)
	}
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(r.spec.IP, uint16(r.port)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || strings.TrimSpace(line) != "hello" {
		t.Fatalf("%q, %v", line, err)
	}
	want := []byte{0x21, 0x11}
	for _, a := range []net.Addr{conn.LocalAddr(), conn.RemoteAddr()} {
		want = append(want, a.(*net.TCPAddr).IP.To4()...)
	}
	for _, a := range []net.Addr{conn.LocalAddr(), conn.RemoteAddr()} {
		want = binary.BigEndian.AppendUint16(want, uint16(a.(*net.TCPAddr).Port))
	}
	for header := range headers {
		if header[0] != 0x21 {
			continue // of another check
		}
		if !bytes.Equal(header, want) {
			t.Errorf("a connection begins with % x, want % x", header, want)
		}
		return
	}
}
