package spec

import (
	"regexp"
	"slices"

	"github.com/droverhq/drover/problem"
)

// Existing is a network that somebody else has made.
type Existing struct {
	VPC     Chosen
	Public  Chosen // subnets that the internet reaches; none: there are none
	Private Chosen // subnets of the nodes
	At      problem.Place
}

// Chosen is how the file tells which objects are meant: by their identifiers, or by tags.
type Chosen struct {
	IDs  []string
	Tags map[string]string
	At   problem.Place
}

var (
	vpcID    = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetID = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
)

const (
	vpcExample     = "vpc: vpc-0123456789abcdef0, or vpc: {tags: {Name: shop}}"
	subnetsExample = "subnets: {private: [subnet-0123456789abcdef0, subnet-0fedcba9876543210], public: {tags: {tier: public}}}"
)

// existing reads a network that stands already; nil: Drover makes one.
func (o object) existing() *Existing {
	vpc, subnets := o.get("vpc"), o.get("subnets")
	if !vpc.given() && !subnets.given() {
		return nil
	}
	e := &Existing{At: vpc.at, VPC: vpc.chosen(vpcID, vpcExample)}
	if !vpc.given() {
		vpc.fail("add "+vpcExample, "is missing: which VPC are the subnets in?")
	}
	if len(e.VPC.IDs) > 1 {
		vpc.fail("name one", "a cluster is in one VPC")
	}
	for _, key := range slices.Concat([]string{"cidr", "zones", "natGateways"}, allOptions) {
		if f := o.get(key); f.given() {
			f.fail("remove it", "the network is there already, and stays as it is")
		}
	}
	s, ok := o.need("subnets", "add "+subnetsExample).object(subnetsExample, "private", "public")
	if !ok {
		return e
	}
	e.Private = s.need("private", "add private: [subnet-…, subnet-…], which the nodes are in").chosen(subnetID, subnetsExample)
	e.Public = s.get("public").chosen(subnetID, subnetsExample)
	return e
}

// chosen reads one identifier, a list of them, or tags.
func (f field) chosen(id *regexp.Regexp, example string) Chosen {
	c := Chosen{At: f.at}
	one := func(item field) {
		text, ok := item.word(example)
		switch {
		case !ok:
		case !id.MatchString(text):
			item.fail("write it as in "+example, "%q is no such identifier", text)
		case slices.Contains(c.IDs, text):
			item.fail("remove one of the two", "%q is listed twice", text)
		default:
			c.IDs = append(c.IDs, text)
		}
	}
	switch {
	case !f.given():
	case describe(f.node) == "a list":
		for _, item := range f.items(example) {
			one(item)
		}
	case describe(f.node) != "a mapping":
		one(f)
	default:
		o, ok := f.object(example, "tags")
		if !ok {
			return c
		}
		c.Tags = make(map[string]string)
		for _, e := range o.need("tags", "add tags: {Name: shop}").entries("tags: {Name: shop}") {
			if text, ok := e.word("shop"); ok {
				c.Tags[e.name] = text
			}
		}
	}
	return c
}
