package balancer

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Identities are the certificates of a listener, the default one first.
type Identities []*tls.Certificate

// For is the certificate for a client: the first that is good for the name that it asks for,
// else the default one.
func (i Identities) For(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(i) == 0 {
		return nil, errors.New("the listener has no certificate any more")
	}
	for _, c := range i {
		if hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	return i[0], nil
}

// Front is a listener at which the clients' TLS ends.
type Front struct {
	Identities Identities
	Protocols  []string // that clients may agree on (ALPN), the best first; none: nothing is agreed on
}

// greet is the handshake with a client.
func (f *Front) greet(ctx context.Context, client *net.TCPConn) (*tls.Conn, error) {
	conn := tls.Server(client, &tls.Config{GetCertificate: f.Identities.For, NextProtos: f.Protocols})
	err := conn.HandshakeContext(ctx)
	return conn, err
}

// meet is the handshake with a target. Its certificate is not looked at; the protocol is the one
// that the client has agreed on.
func meet(ctx context.Context, target *net.TCPConn, near net.Conn) (net.Conn, error) {
	config := &tls.Config{InsecureSkipVerify: true}
	if client, ok := near.(*tls.Conn); ok {
		if agreed := client.ConnectionState().NegotiatedProtocol; agreed != "" {
			config.NextProtos = []string{agreed}
		}
	}
	conn := tls.Client(target, config)
	err := conn.HandshakeContext(ctx)
	return conn, err
}
