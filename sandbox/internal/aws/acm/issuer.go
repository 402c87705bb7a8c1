package acm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/pki"
)

const (
	// validationTime is from a request to the certificate, before the factor of latencies. On AWS it is
	// some minutes from when the record is there; here the record, or the answer to the letter, is taken as given.
	validationTime = 3 * time.Second

	// lifetime of what is issued: public certificates may have 200 days at most since March 2026
	// (CA/Browser Forum, ballot SC-081v3).
	lifetime = 198 * 24 * time.Hour
)

// Issuer validates requests, signs certificates, and lets them expire.
type Issuer struct {
	store *region.Store
	dir   string           // with the authority
	now   func() time.Time // AWS's
	here  func() time.Time // the machine's, by which clients look at certificates
	scale float64
	log   *slog.Logger
}

// NewIssuer makes an Issuer.
func NewIssuer(store *region.Store, dir string, now, here func() time.Time, scale float64, log *slog.Logger) *Issuer {
	return &Issuer{store: store, dir: dir, now: now, here: here, scale: scale, log: log}
}

// Run acts until ctx ends.
func (i *Issuer) Run(ctx context.Context) {
	tick := time.NewTicker(max(time.Duration(float64(time.Second)*i.scale), 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range i.due() {
			if err := i.turn(c); err != nil {
				i.log.Warn("certificate", "arn", c.ARN, "err", err)
			}
		}
	}
}

// due are the certificates about which there is something to do.
func (i *Issuer) due() (list []region.Certificate) {
	now := i.now()
	validated := time.Duration(float64(validationTime) * i.scale)
	i.store.View(func(st *region.State) {
		for _, c := range st.Certificates {
			if c.Status == region.CertificatePending && !now.Before(c.Created.Add(validated)) || c.Status == region.CertificateIssued && now.After(c.NotAfter) {
				list = append(list, *c)
			}
		}
	})
	return list
}

// turn brings a certificate to its next state.
func (i *Issuer) turn(c region.Certificate) error {
	was := c.Status
	if was == region.CertificateIssued {
		c.Status = region.CertificateExpired
	} else if err := i.issue(&c); err != nil {
		return err
	}
	return i.store.Update(func(st *region.State) error {
		if now := st.Certificates[c.ARN]; now != nil && now.Status == was {
			c.Tags = now.Tags
			*now = c
		}
		return nil
	})
}

// issue signs a certificate.
func (i *Issuer) issue(c *region.Certificate) error {
	ca, err := pki.Open(i.dir)
	if err != nil {
		return err
	}
	key, err := newKey(c.Algorithm)
	if err != nil {
		return err
	}
	from := i.here().UTC().Truncate(24 * time.Hour)
	pair, err := ca.Site(c.Names, key, from, from.Add(lifetime))
	if err != nil {
		return err
	}
	leaf, err := certificates("Certificate", pair.Cert)
	if err != nil {
		return err
	}
	domain, names := c.Domain, c.Names
	if err := tell(c, leaf[0], i.now()); err != nil {
		return err
	}
	c.Domain, c.Names, c.Issued = domain, names, region.Stamp(i.now())
	c.Body, c.Chain, c.Key = string(pair.Cert), string(ca.PEM), string(pair.Key)
	return nil
}

func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "RSA_2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "EC_prime256v1":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EC_secp384r1":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("the sandbox makes no keys of type %s", algorithm)
}
