package spec

import (
	"regexp"

	"github.com/droverhq/drover/problem"
)

// Provider is one entry of providers: another region or account than the stack's,
// in which resources can be.
type Provider struct {
	Name       string
	Region     string // empty: the profile's, or the stack's
	Profile    string // of the AWS configuration; empty: whoever runs Drover
	Role       string // ARN of one that is assumed; empty: none
	ExternalID string // that the role asks for
	At         problem.Place
}

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)

const providerExample = `dns: {region: us-east-1, role: "arn:aws:iam::111122223333:role/drover"}`

// providers are read before the resources that name them.
func (l *loader) providers(f field) {
	for _, e := range f.entries(providerExample) {
		l.spec.Providers = append(l.spec.Providers, e.provider())
	}
}

func (e entry) provider() Provider {
	p := Provider{Name: e.name, At: e.at}
	if !logicalName.MatchString(e.name) {
		e.fail("start with a letter and use letters, digits, - and _", "%q is not a name for a provider", e.name)
	}
	o, ok := e.object(providerExample, "region", "profile", "role", "externalId")
	if !ok {
		return p
	}
	for key, to := range map[string]*string{"region": &p.Region, "profile": &p.Profile, "role": &p.Role, "externalId": &p.ExternalID} {
		if f := o.get(key); f.given() {
			*to, _ = f.word(key + ": …")
		}
	}
	switch {
	case p.Region == "" && p.Profile == "" && p.Role == "":
		e.fail("write it as in "+providerExample, "says neither region nor profile nor role: it would be where the stack is")
	case p.Role == "" && p.ExternalID != "":
		o.get("externalId").fail("add role, or remove it", "it is what a role asks for")
	}
	if p.Region != "" && !regionName.MatchString(p.Region) {
		o.get("region").fail("write it as in us-east-1", "%q is no region of AWS", p.Region)
	}
	if p.Role != "" && !roleARN.MatchString(p.Role) {
		o.get("role").fail("write its whole ARN, as in arn:aws:iam::111122223333:role/drover", "%q is not the ARN of an IAM role", p.Role)
	}
	return p
}

func (s *Spec) providerNames() []string {
	names := make([]string, len(s.Providers))
	for i, p := range s.Providers {
		names[i] = p.Name
	}
	return names
}
