package balancer

import (
	"encoding/binary"
	"net"
)

// The proxy protocol, version 2: before anything else a target is told whose
// connection it is. https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"

	local   = 0x20 // version 2: the load balancer's own connection, of a health check
	proxied = 0x21 // version 2: another's

	unspecified = 0x00
	tcp4        = 0x11
)

// checkHeader comes before a health check: it is nobody's.
func checkHeader() []byte {
	return append([]byte(signature), local, unspecified, 0, 0)
}

// proxyHeader comes before what a client sends: its address and the one that it
// connected to, both of IPv4.
func proxyHeader(client, to net.Addr) []byte {
	from, at := client.(*net.TCPAddr).AddrPort(), to.(*net.TCPAddr).AddrPort()
	addresses := append(from.Addr().Unmap().AsSlice(), at.Addr().Unmap().AsSlice()...)
	addresses = binary.BigEndian.AppendUint16(addresses, from.Port())
	addresses = binary.BigEndian.AppendUint16(addresses, at.Port())
	header := append([]byte(signature), proxied, tcp4)
	header = binary.BigEndian.AppendUint16(header, uint16(len(addresses)))
	return append(header, addresses...)
}
