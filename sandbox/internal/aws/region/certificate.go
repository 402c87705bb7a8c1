package region

import (
	"slices"
	"time"
)

// Certificate is one of ACM's: requested, and then issued by the sandbox's own authority once
// it is validated, or imported.
type Certificate struct {
	ARN       string
	Domain    string
	Names     []string // all that it is for, the domain among them
	Imported  bool
	Status    string
	Algorithm string // RSA_2048, EC_prime256v1 …
	Method    string `json:",omitempty"` // of a requested one: DNS, EMAIL
	Logging   string // ENABLED, DISABLED: of certificate transparency, stored and shown
	Created   time.Time
	Issued    time.Time         `json:",omitzero"`  // or imported
	Mail      map[string]string `json:",omitempty"` // by name: the domain that letters about it go to
	Token     string            `json:",omitempty"` // of the request, and what it asked for
	Tags      Tags              `json:",omitempty"`

	Body  string `json:",omitempty"` // PEM, as what follows
	Chain string `json:",omitempty"`
	Key   string `json:",omitempty"`

	NotBefore, NotAfter        time.Time `json:",omitzero"`
	Serial, Subject, Issuer    string    `json:",omitempty"`
	Signature                  string    `json:",omitempty"` // SHA256WITHRSA
	KeyUsages, ExtendedKeyUses []string  `json:",omitempty"`
}

// The states of a certificate.
const (
	CertificatePending = "PENDING_VALIDATION"
	CertificateIssued  = "ISSUED"
	CertificateExpired = "EXPIRED"
)

// Certificate finds a certificate by its ARN.
func (s *State) Certificate(arn string) (*Certificate, error) {
	if c, ok := s.Certificates[arn]; ok {
		return c, nil
	}
	return nil, Errorf(NotFound, "ResourceNotFoundException", "Could not find certificate %s.", arn)
}

// CertificateUsers are the load balancers whose listeners have the certificate.
func (s *State) CertificateUsers(arn string) []string {
	var arns []string
	for _, l := range Sorted(s.TargetListeners) {
		if slices.Contains(l.Certificates, arn) && !slices.Contains(arns, l.Balancer) {
			arns = append(arns, l.Balancer)
		}
	}
	for _, lb := range Sorted(s.LoadBalancers) {
		if slices.ContainsFunc(lb.Listeners, func(l Listener) bool { return l.Certificate == arn }) {
			arns = append(arns, s.ARN("elasticloadbalancing", "loadbalancer/"+lb.Name))
		}
	}
	return arns
}

// DeleteCertificate takes a certificate away that no listener has.
func (s *State) DeleteCertificate(arn string) error {
	if _, err := s.Certificate(arn); err != nil {
		return err
	}
	if users := s.CertificateUsers(arn); len(users) > 0 {
		return Errorf(Dependency, "ResourceInUseException", "Certificate %s in account %s is in use.", arn, Account)
	}
	delete(s.Certificates, arn)
	return nil
}
