// Package acm is the API of AWS Certificate Manager, as far as load balancers go: certificates
// that are requested and those that are imported.
//
// api.go answers requests, import.go reads what others have signed, describe.go shows what is
// there; issuer.go stands for validation and for the authority that signs.
package acm

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Service answers ACM requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service { return &Service{store: store, now: now} }

// Serve answers one operation.
func (s *Service) Serve(op string, body []byte) (any, error) {
	if serve, ok := s.Operations()[op]; ok {
		return serve(body)
	}
	return nil, wire.UnknownAction(wire.JSON11, op)
}

// Operations lists what is implemented.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"AddTagsToCertificate":      wire.Reading(s.addTags),
		"DeleteCertificate":         wire.Reading(s.remove),
		"DescribeCertificate":       wire.Reading(s.describe),
		"GetCertificate":            wire.Reading(s.get),
		"ImportCertificate":         wire.Reading(s.importOne),
		"ListCertificates":          wire.Reading(s.list),
		"ListTagsForCertificate":    wire.Reading(s.listTags),
		"RemoveTagsFromCertificate": wire.Reading(s.removeTags),
		"RequestCertificate":        wire.Reading(s.request),
	}
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationException", format, args...)
}

// tag is one of a request or an answer.
type tag struct {
	Key   string
	Value string `json:",omitempty"`
}

// request asks for a certificate of the sandbox's authority.
type request struct {
	DomainName              string
	SubjectAlternativeNames []string
	ValidationMethod        string
	IdempotencyToken        string
	KeyAlgorithm            string
	Tags                    []tag
	Options                 *options
	DomainValidationOptions []struct{ DomainName, ValidationDomain string }
}

type options struct {
	CertificateTransparencyLoggingPreference string `json:",omitempty"`
}

var (
	domainName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`)
	tokenText  = regexp.MustCompile(`^\w{1,32}$`)
)

// namesAtMost is ACM's default quota of names in a certificate.
const namesAtMost = 10

// same is for how long a request with the token of one before is that one.
const same = time.Hour

// answer is what requests and imports come to.
type answer struct {
	CertificateArn string `json:"CertificateArn"`
}

func (s *Service) request(in request) (any, error) {
	domain := strings.ToLower(in.DomainName)
	c := &region.Certificate{Domain: domain, Names: []string{domain}, Status: region.CertificatePending,
		Method: orElse(in.ValidationMethod, "EMAIL"), Algorithm: orElse(in.KeyAlgorithm, "RSA_2048"), Logging: "ENABLED",
		Mail: map[string]string{}, Created: region.Stamp(s.now())}
	for _, name := range in.SubjectAlternativeNames {
		if name = strings.ToLower(name); !slices.Contains(c.Names, name) {
			c.Names = append(c.Names, name)
		}
	}
	if err := in.check(c); err != nil {
		return nil, err
	}
	if err := setTags(&c.Tags, in.Tags); err != nil {
		return nil, err
	}
	if in.IdempotencyToken != "" {
		c.Token = strings.Join(append(slices.Clone(c.Names), c.Algorithm, c.Method, in.IdempotencyToken), " ")
	}
	var out answer
	return &out, s.store.Update(func(st *region.State) error {
		for _, old := range st.Certificates {
			if c.Token != "" && old.Token == c.Token && c.Created.Sub(old.Created) < same {
				out.CertificateArn = old.ARN
				return nil
			}
		}
		out.CertificateArn = s.add(st, c)
		return nil
	})
}

// add keeps a new certificate.
func (s *Service) add(st *region.State, c *region.Certificate) string {
	c.ARN = st.ARN("acm", "certificate/"+region.UUID())
	st.Certificates[c.ARN] = c
	return c.ARN
}

// check refuses what ACM would, and fills in what the options say.
func (in request) check(c *region.Certificate) error {
	for _, name := range c.Names {
		if len(name) > 253 || !domainName.MatchString(name) {
			return invalid("Value '%s' at 'domainName' failed to satisfy constraint: it must be a domain name, or one after *.", name)
		}
	}
	switch {
	case len(c.Names) > namesAtMost:
		return region.Errorf(region.Limit, "LimitExceededException", "A certificate has %d names at most", namesAtMost)
	case !slices.Contains([]string{"DNS", "EMAIL"}, c.Method):
		return invalid("The sandbox validates by DNS or EMAIL, not by '%s'", c.Method)
	case !slices.Contains([]string{"RSA_2048", "EC_prime256v1", "EC_secp384r1"}, c.Algorithm):
		return invalid("Certificates are requested with keys RSA_2048, EC_prime256v1 or EC_secp384r1, not '%s'", c.Algorithm)
	case in.IdempotencyToken != "" && !tokenText.MatchString(in.IdempotencyToken):
		return invalid("Value '%s' at 'idempotencyToken' failed to satisfy constraint: it must have 1 to 32 letters, digits and _", in.IdempotencyToken)
	}
	if in.Options != nil && in.Options.CertificateTransparencyLoggingPreference != "" {
		c.Logging = in.Options.CertificateTransparencyLoggingPreference
	}
	if c.Logging != "ENABLED" && c.Logging != "DISABLED" {
		return invalid("CertificateTransparencyLoggingPreference must be ENABLED or DISABLED, not '%s'", c.Logging)
	}
	for _, o := range in.DomainValidationOptions {
		if !slices.Contains(c.Names, o.DomainName) || !within(o.DomainName, o.ValidationDomain) {
			return region.Errorf(region.Invalid, "InvalidDomainValidationOptionsException",
				"The validation domain '%s' must be that of '%s', one of the certificate's names, or one above it", o.ValidationDomain, o.DomainName)
		}
		c.Mail[o.DomainName] = o.ValidationDomain
	}
	return nil
}

// within: the name is in the domain.
func within(name, domain string) bool {
	return domain != "" && strings.HasSuffix("."+strings.TrimPrefix(name, "*."), "."+domain)
}

func orElse(text, usual string) string {
	if text == "" {
		return usual
	}
	return text
}

// one is the input of operations about a certificate.
type one struct{ CertificateArn string }

// find is the certificate that a request is about.
func find(st *region.State, arn string) (*region.Certificate, error) {
	switch {
	case arn == "":
		return nil, invalid("1 validation error detected: Value at 'certificateArn' failed to satisfy constraint: Member must not be null")
	case !strings.HasPrefix(arn, "arn:aws:acm:") || strings.Count(arn, ":") != 5:
		return nil, region.Errorf(region.Invalid, "InvalidArnException", "The certificate ARN '%s' is malformed", arn)
	}
	return st.Certificate(arn)
}

// read looks at a certificate.
func (s *Service) read(arn string, f func(*region.State, *region.Certificate)) (err error) {
	s.store.View(func(st *region.State) {
		var c *region.Certificate
		if c, err = find(st, arn); err == nil {
			f(st, c)
		}
	})
	return err
}

// change changes a certificate.
func (s *Service) change(arn string, f func(*region.Certificate) error) (any, error) {
	return struct{}{}, s.store.Update(func(st *region.State) error {
		c, err := find(st, arn)
		if err != nil {
			return err
		}
		return f(c)
	})
}

func (s *Service) remove(in one) (any, error) {
	return struct{}{}, s.store.Update(func(st *region.State) error {
		if _, err := find(st, in.CertificateArn); err != nil {
			return err
		}
		return st.DeleteCertificate(in.CertificateArn)
	})
}

func (s *Service) get(in one) (any, error) {
	var out struct {
		Certificate      string
		CertificateChain string `json:",omitempty"`
	}
	pending := false
	err := s.read(in.CertificateArn, func(_ *region.State, c *region.Certificate) {
		out.Certificate, out.CertificateChain, pending = c.Body, c.Chain, c.Status == region.CertificatePending
	})
	if pending {
		return nil, region.Errorf(region.Busy, "RequestInProgressException", "The certificate request is in progress for %s.", in.CertificateArn)
	}
	return out, err
}

// tagged is the input of operations about tags.
type tagged struct {
	CertificateArn string
	Tags           []tag
}

func (s *Service) addTags(in tagged) (any, error) {
	if len(in.Tags) == 0 {
		return nil, invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	return s.change(in.CertificateArn, func(c *region.Certificate) error { return setTags(&c.Tags, in.Tags) })
}

func (s *Service) removeTags(in tagged) (any, error) {
	return s.change(in.CertificateArn, func(c *region.Certificate) error {
		for _, t := range in.Tags {
			var value *string
			if t.Value != "" {
				value = &t.Value
			}
			c.Tags.Remove(t.Key, value)
		}
		return nil
	})
}

func (s *Service) listTags(in one) (any, error) {
	out := struct{ Tags []tag }{[]tag{}}
	err := s.read(in.CertificateArn, func(_ *region.State, c *region.Certificate) {
		for _, t := range c.Tags {
			out.Tags = append(out.Tags, tag{t.Key, t.Value})
		}
	})
	return out, err
}

// tagsAtMost is how many a certificate may have.
const tagsAtMost = 50

func setTags(of *region.Tags, tags []tag) error {
	next := slices.Clone(*of)
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return region.Errorf(region.Invalid, "InvalidTagException", "The tag '%s' has no key, one that begins with aws:, or one or a value that is too long", t.Key)
		}
		next.Set(region.Tag{Key: t.Key, Value: t.Value})
	}
	if len(next) > tagsAtMost {
		return region.Errorf(region.Limit, "TooManyTagsException", "A certificate has %d tags at most", tagsAtMost)
	}
	*of = next
	return nil
}
