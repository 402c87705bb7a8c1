package acm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// seconds is a time as JSON 1.1 writes it: since 1970.
type seconds float64

func at(t time.Time) seconds {
	if t.IsZero() {
		return 0
	}
	return seconds(float64(t.UnixMilli()) / 1000)
}

type validation struct {
	DomainName       string
	ValidationDomain string `json:",omitempty"`
	ValidationStatus string
	ValidationMethod string
	ValidationEmails []string `json:",omitempty"`
	ResourceRecord   *record  `json:",omitempty"`
}

type record struct{ Name, Type, Value string }

type usage struct{ Name string }

type extendedUsage struct{ Name, OID string }

type detail struct {
	CertificateArn          string
	DomainName              string
	SubjectAlternativeNames []string
	DomainValidationOptions []validation `json:",omitempty"`
	Serial                  string       `json:",omitempty"`
	Subject                 string       `json:",omitempty"`
	Issuer                  string       `json:",omitempty"`
	CreatedAt               seconds      `json:",omitempty"`
	IssuedAt                seconds      `json:",omitempty"`
	ImportedAt              seconds      `json:",omitempty"`
	Status                  string
	NotBefore               seconds `json:",omitempty"`
	NotAfter                seconds `json:",omitempty"`
	KeyAlgorithm            string
	SignatureAlgorithm      string `json:",omitempty"`
	InUseBy                 []string
	Type                    string
	KeyUsages               []usage
	ExtendedKeyUsages       []extendedUsage
	RenewalEligibility      string
	Options                 *options `json:",omitempty"`
}

func (s *Service) describe(in one) (any, error) {
	var out struct{ Certificate detail }
	err := s.read(in.CertificateArn, func(st *region.State, c *region.Certificate) { out.Certificate = show(st, c) })
	return out, err
}

func show(st *region.State, c *region.Certificate) detail {
	d := detail{CertificateArn: c.ARN, DomainName: c.Domain, SubjectAlternativeNames: c.Names, Serial: c.Serial, Subject: c.Subject,
		Issuer: c.Issuer, Status: c.Status, NotBefore: at(c.NotBefore), NotAfter: at(c.NotAfter), KeyAlgorithm: said(c.Algorithm),
		SignatureAlgorithm: c.Signature, InUseBy: append([]string{}, st.CertificateUsers(c.ARN)...), Type: kind(c), KeyUsages: []usage{},
		ExtendedKeyUsages: []extendedUsage{}, RenewalEligibility: "INELIGIBLE", Options: &options{c.Logging}}
	for _, name := range c.KeyUsages {
		d.KeyUsages = append(d.KeyUsages, usage{name})
	}
	for _, name := range c.ExtendedKeyUses {
		d.ExtendedKeyUsages = append(d.ExtendedKeyUsages, extendedUsage{name, extendedUses[name]})
	}
	if c.Imported {
		d.ImportedAt, d.Options = at(c.Issued), &options{"DISABLED"}
		return d
	}
	d.CreatedAt, d.IssuedAt = at(c.Created), at(c.Issued)
	for _, name := range c.Names {
		d.DomainValidationOptions = append(d.DomainValidationOptions, validate(c, name))
	}
	return d
}

// validate tells how a name of a requested certificate is validated.
func validate(c *region.Certificate, name string) validation {
	v := validation{DomainName: name, ValidationStatus: "SUCCESS", ValidationMethod: c.Method}
	if c.Status == region.CertificatePending {
		v.ValidationStatus = "PENDING_VALIDATION"
	}
	bare := strings.TrimPrefix(name, "*.")
	v.ValidationDomain = cmp.Or(c.Mail[name], bare)
	if c.Method == "DNS" {
		sum := sha256.Sum256([]byte(region.Account + bare)) // the same for a name and all below it, whatever certificate asks
		v.ResourceRecord = &record{"_" + hex.EncodeToString(sum[:16]) + "." + bare + ".", "CNAME", "_" + hex.EncodeToString(sum[16:]) + ".acm-validations.aws."}
		return v
	}
	for _, box := range []string{"admin", "administrator", "hostmaster", "postmaster", "webmaster"} {
		v.ValidationEmails = append(v.ValidationEmails, box+"@"+v.ValidationDomain)
	}
	return v
}

func kind(c *region.Certificate) string {
	if c.Imported {
		return "IMPORTED"
	}
	return "AMAZON_ISSUED"
}

// said is how answers write an algorithm: RSA-2048.
func said(algorithm string) string { return strings.Replace(algorithm, "_", "-", 1) }

type summary struct {
	CertificateArn                       string
	DomainName                           string
	SubjectAlternativeNameSummaries      []string
	HasAdditionalSubjectAlternativeNames bool
	Status                               string
	Type                                 string
	KeyAlgorithm                         string
	KeyUsages                            []string
	ExtendedKeyUsages                    []string
	InUse                                bool
	Exported                             bool
	RenewalEligibility                   string
	NotBefore                            seconds `json:",omitempty"`
	NotAfter                             seconds `json:",omitempty"`
	CreatedAt                            seconds `json:",omitempty"`
	IssuedAt                             seconds `json:",omitempty"`
	ImportedAt                           seconds `json:",omitempty"`
}

// wanted is the input of ListCertificates.
type wanted struct {
	CertificateStatuses []string
	Includes            filters
	NextToken           string
	MaxItems            *int
	SortBy              string
	SortOrder           string
}

type filters struct {
	KeyTypes         []string `json:"keyTypes"`
	KeyUsage         []string `json:"keyUsage"`
	ExtendedKeyUsage []string `json:"extendedKeyUsage"`
}

var pages = wire.Paging{Least: 1, Most: 1000, Default: 100, BadSize: "ValidationException", BadToken: "InvalidArgsException"}

// usualKeys are those of the certificates that are listed if nobody asks for others.
var usualKeys = []string{"RSA_1024", "RSA_2048"}

// fits tells whether a certificate is one of those that are asked for.
func (w wanted) fits(c *region.Certificate) bool {
	keys := w.Includes.KeyTypes
	if len(keys) == 0 {
		keys = usualKeys
	}
	any := func(asked, has []string) bool {
		return len(asked) == 0 || slices.ContainsFunc(asked, func(one string) bool { return one == "ANY" || slices.Contains(has, one) })
	}
	return any(w.CertificateStatuses, []string{c.Status}) && slices.Contains(keys, c.Algorithm) &&
		any(w.Includes.KeyUsage, c.KeyUsages) && any(w.Includes.ExtendedKeyUsage, c.ExtendedKeyUses)
}

func (w wanted) check() error {
	if w.SortBy != "" && w.SortBy != "CREATED_AT" || (w.SortBy == "") != (w.SortOrder == "") || !slices.Contains([]string{"", "ASCENDING", "DESCENDING"}, w.SortOrder) {
		return invalid("SortBy is CREATED_AT, and goes with the SortOrder ASCENDING or DESCENDING")
	}
	for _, status := range w.CertificateStatuses {
		if !slices.Contains([]string{"PENDING_VALIDATION", "ISSUED", "INACTIVE", "EXPIRED", "VALIDATION_TIMED_OUT", "REVOKED", "FAILED"}, status) {
			return invalid("Value '[%s]' at 'certificateStatuses' failed to satisfy constraint: there is no such status", status)
		}
	}
	return nil
}

func (s *Service) list(in wanted) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var found []summary
	s.store.View(func(st *region.State) {
		for _, c := range region.Sorted(st.Certificates) {
			if in.fits(c) {
				found = append(found, summarize(st, c))
			}
		}
	})
	switch in.SortOrder {
	case "ASCENDING":
		slices.SortStableFunc(found, func(a, b summary) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	case "DESCENDING":
		slices.SortStableFunc(found, func(a, b summary) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	}
	size := ""
	if in.MaxItems != nil {
		size = strconv.Itoa(*in.MaxItems)
	}
	list, next, err := wire.Page(pages, found, in.NextToken, size)
	return struct {
		CertificateSummaryList []summary
		NextToken              string `json:",omitempty"`
	}{append([]summary{}, list...), next}, err
}

func summarize(st *region.State, c *region.Certificate) summary {
	d := show(st, c)
	out := summary{CertificateArn: d.CertificateArn, DomainName: d.DomainName, SubjectAlternativeNameSummaries: d.SubjectAlternativeNames,
		Status: d.Status, Type: d.Type, KeyAlgorithm: d.KeyAlgorithm, KeyUsages: append([]string{}, c.KeyUsages...),
		ExtendedKeyUsages: append([]string{}, c.ExtendedKeyUses...), InUse: len(d.InUseBy) > 0, RenewalEligibility: d.RenewalEligibility,
		NotBefore: d.NotBefore, NotAfter: d.NotAfter, CreatedAt: at(c.Created), IssuedAt: d.IssuedAt, ImportedAt: d.ImportedAt}
	return out
}
