package acm

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// imported is the input of ImportCertificate; its blobs are PEM.
type imported struct {
	CertificateArn   string
	Certificate      []byte
	PrivateKey       []byte
	CertificateChain []byte
	Tags             []tag
}

func (s *Service) importOne(in imported) (any, error) {
	c := &region.Certificate{Imported: true, Created: region.Stamp(s.now()), Issued: region.Stamp(s.now())}
	if err := in.readInto(c, s.now()); err != nil {
		return nil, err
	}
	if err := setTags(&c.Tags, in.Tags); err != nil {
		return nil, err
	}
	var out answer
	return &out, s.store.Update(func(st *region.State) error {
		if in.CertificateArn == "" {
			out.CertificateArn = s.add(st, c)
			return nil
		}
		out.CertificateArn = in.CertificateArn
		return in.again(st, c)
	})
}

// again puts a certificate in the place of one that was imported before.
func (in imported) again(st *region.State, c *region.Certificate) error {
	old, err := find(st, in.CertificateArn)
	switch {
	case err != nil:
		return err
	case len(in.Tags) > 0:
		return region.Errorf(region.Invalid, "InvalidParameterException", "Tagging is not permitted on re-import.")
	case !old.Imported:
		return invalid("The certificate %s was not imported", in.CertificateArn)
	case old.Algorithm != c.Algorithm:
		return invalid("The key of the certificate must be of the type and size of the one before: %s, not %s", said(old.Algorithm), said(c.Algorithm))
	}
	c.ARN, c.Created, c.Tags = old.ARN, old.Created, old.Tags
	*old = *c
	return nil
}

// readInto checks what was sent: a certificate that is valid now, with its key and its chain.
func (in imported) readInto(c *region.Certificate, now time.Time) error {
	leaf, err := certificates("Certificate", in.Certificate)
	switch {
	case err != nil:
		return err
	case len(leaf) != 1:
		return invalid("The certificate field contains more than one certificate. You can specify only one certificate in this field.")
	case now.After(leaf[0].NotAfter):
		return invalid("The certificate has expired.")
	case now.Before(leaf[0].NotBefore):
		return invalid("The certificate is not valid yet.")
	}
	if len(in.PrivateKey) == 0 {
		return invalid("1 validation error detected: Value at 'privateKey' failed to satisfy constraint: Member must not be null")
	}
	if _, err := tls.X509KeyPair(in.Certificate, in.PrivateKey); err != nil {
		return invalid("The private key is not that of the certificate, or is not in PEM format: %s", err)
	}
	if err := inOrder(leaf[0], in.CertificateChain); err != nil {
		return err
	}
	c.Body, c.Chain, c.Key = string(in.Certificate), string(in.CertificateChain), string(in.PrivateKey)
	return tell(c, leaf[0], now)
}

// inOrder refuses a chain of which one does not sign the one before.
func inOrder(leaf *x509.Certificate, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	chain, err := certificates("CertificateChain", text)
	if err != nil {
		return err
	}
	for _, next := range chain {
		if err := leaf.CheckSignatureFrom(next); err != nil {
			return invalid("Could not validate the certificate with the certificate chain: %s", err)
		}
		leaf = next
	}
	return nil
}

func certificates(field string, text []byte) (list []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, invalid("%s is not a certificate in PEM format", field)
		}
		list = append(list, one)
	}
	if len(list) == 0 || strings.TrimSpace(string(text)) != "" {
		return nil, invalid("%s is not a certificate in PEM format", field)
	}
	return list, nil
}

// tell fills in what a signed certificate says of itself.
func tell(c *region.Certificate, from *x509.Certificate, now time.Time) error {
	algorithm, err := algorithmOf(from)
	if err != nil {
		return err
	}
	c.Algorithm, c.Names, c.Domain = algorithm, from.DNSNames, from.Subject.CommonName
	if c.Domain == "" && len(c.Names) > 0 {
		c.Domain = c.Names[0]
	}
	if c.Domain != "" && !slices.Contains(c.Names, c.Domain) && domainName.MatchString(c.Domain) {
		c.Names = append([]string{c.Domain}, c.Names...)
	}
	c.Names = append([]string{}, c.Names...)
	c.NotBefore, c.NotAfter = from.NotBefore.UTC(), from.NotAfter.UTC()
	c.Serial, c.Subject, c.Issuer = colons(from.SerialNumber.Bytes()), from.Subject.String(), from.Issuer.CommonName
	c.Signature = strings.ToUpper(strings.ReplaceAll(signatures[from.SignatureAlgorithm], "-", "WITH"))
	c.KeyUsages, c.ExtendedKeyUses = nil, nil
	for _, u := range keyUses {
		if from.KeyUsage&u.bit != 0 {
			c.KeyUsages = append(c.KeyUsages, u.name)
		}
	}
	for _, u := range from.ExtKeyUsage {
		if name := extendedNames[u]; name != "" {
			c.ExtendedKeyUses = append(c.ExtendedKeyUses, name)
		}
	}
	c.Status = region.CertificateIssued
	if now.After(c.NotAfter) {
		c.Status = region.CertificateExpired
	}
	return nil
}

// algorithmOf names the key as ACM does, and refuses those that it does not take.
func algorithmOf(c *x509.Certificate) (string, error) {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); slices.Contains([]int{1024, 2048, 3072, 4096}, n) {
			return fmt.Sprintf("RSA_%d", n), nil
		}
	case *ecdsa.PublicKey:
		if name, ok := map[string]string{"P-256": "EC_prime256v1", "P-384": "EC_secp384r1", "P-521": "EC_secp521r1"}[key.Params().Name]; ok {
			return name, nil
		}
	}
	return "", invalid("The certificate's key must be RSA of 1024, 2048, 3072 or 4096 bits, or on the curve prime256v1, secp384r1 or secp521r1")
}

// colons writes a serial number as ACM does: 0a:1b:2c.
func colons(b []byte) string {
	parts := make([]string, len(b))
	for n, one := range b {
		parts[n] = fmt.Sprintf("%02x", one)
	}
	return strings.Join(parts, ":")
}

var signatures = map[x509.SignatureAlgorithm]string{x509.SHA256WithRSA: "SHA256-RSA", x509.SHA384WithRSA: "SHA384-RSA", x509.SHA512WithRSA: "SHA512-RSA",
	x509.ECDSAWithSHA256: "SHA256-ECDSA", x509.ECDSAWithSHA384: "SHA384-ECDSA", x509.ECDSAWithSHA512: "SHA512-ECDSA"}

var keyUses = []struct {
	bit  x509.KeyUsage
	name string
}{{x509.KeyUsageDigitalSignature, "DIGITAL_SIGNATURE"}, {x509.KeyUsageContentCommitment, "NON_REPUDIATION"}, {x509.KeyUsageKeyEncipherment, "KEY_ENCIPHERMENT"},
	{x509.KeyUsageDataEncipherment, "DATA_ENCIPHERMENT"}, {x509.KeyUsageKeyAgreement, "KEY_AGREEMENT"}, {x509.KeyUsageCertSign, "CERTIFICATE_SIGNING"},
	{x509.KeyUsageCRLSign, "CRL_SIGNING"}}

var extendedNames = map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "TLS_WEB_SERVER_AUTHENTICATION", x509.ExtKeyUsageClientAuth: "TLS_WEB_CLIENT_AUTHENTICATION",
	x509.ExtKeyUsageCodeSigning: "CODE_SIGNING", x509.ExtKeyUsageEmailProtection: "EMAIL_PROTECTION", x509.ExtKeyUsageTimeStamping: "TIME_STAMPING",
	x509.ExtKeyUsageOCSPSigning: "OCSP_SIGNING"}

// extendedUses are the object identifiers of those (RFC 5280, section 4.2.1.12).
var extendedUses = map[string]string{"TLS_WEB_SERVER_AUTHENTICATION": "1.3.6.1.5.5.7.3.1", "TLS_WEB_CLIENT_AUTHENTICATION": "1.3.6.1.5.5.7.3.2",
	"CODE_SIGNING": "1.3.6.1.5.5.7.3.3", "EMAIL_PROTECTION": "1.3.6.1.5.5.7.3.4", "TIME_STAMPING": "1.3.6.1.5.5.7.3.8", "OCSP_SIGNING": "1.3.6.1.5.5.7.3.9"}
