package aws

import (
	"crypto/tls"
	"sync"

	"github.com/droverhq/drover/sandbox/internal/pki"
)

// certificates makes what load balancers identify themselves with: for each name
// that a client asks for a certificate of the sandbox's own authority, whatever
// certificate of ACM a listener names. Clients trust it by pki/ca.crt.
type certificates struct {
	dir string // with the authority

	mu   sync.Mutex
	made map[string]*tls.Certificate
}

func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if name == "" {
		name = "load-balancer"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.made[name]; made != nil {
		return made, nil
	}
	ca, err := pki.Open(c.dir)
	if err != nil {
		return nil, err
	}
	pair, err := ca.Server(name, name)
	if err != nil {
		return nil, err
	}
	made, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, err
	}
	c.made[name] = &made
	return &made, nil
}
