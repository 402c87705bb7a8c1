package acm

import (
	"crypto/tls"
	"log/slog"
	"sync"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// Shelf has the certificates of listeners ready for handshakes. Those who run load balancers
// ask it with every change, and it reads each certificate once.
type Shelf struct {
	log *slog.Logger

	mu    sync.Mutex
	known map[string]*tls.Certificate // by ARN and serial number
}

// NewShelf makes an empty one.
func NewShelf(log *slog.Logger) *Shelf {
	return &Shelf{log: log, known: map[string]*tls.Certificate{}}
}

// Identities are the certificates with these ARNs. What ACM holds has been checked before.
func (s *Shelf) Identities(st *region.State, arns ...string) (list balancer.Identities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arn := range arns {
		c := st.Certificates[arn]
		if c == nil {
			continue
		}
		key := arn + " " + c.Serial
		if s.known[key] == nil {
			pair, err := tls.X509KeyPair([]byte(c.Body+"\n"+c.Chain), []byte(c.Key))
			if err != nil {
				s.log.Error("read a certificate", "arn", arn, "err", err)
				continue
			}
			s.known[key] = &pair
		}
		list = append(list, s.known[key])
	}
	return list
}
