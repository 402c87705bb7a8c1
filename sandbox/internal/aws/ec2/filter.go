package ec2

import (
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// attributes are the values of an object that filters look at.
type attributes map[string][]string

// matcher tells whether an object passes every filter of a request. Attributes
// hold every name that filters may use, also those without a value.
type matcher func(attributes, region.Tags) bool

// each lets read go through the state with the request's filters. A filter of
// a name that no attribute has is refused.
func (s *Service) each(f wire.Form, read func(*region.State, matcher) error) error {
	list, err := filters(f)
	if err != nil {
		return err
	}
	unknown := ""
	match := func(at attributes, tags region.Tags) bool {
		for _, one := range list {
			values, ok := valuesOf(one.name, at, tags)
			if !ok {
				unknown = one.name
			}
			if !slices.ContainsFunc(values, one.matches) {
				return false
			}
		}
		return true
	}
	s.store.View(func(st *region.State) { err = read(st, match) })
	if err == nil && unknown != "" {
		err = region.Errorf(region.Invalid, "InvalidParameterValue",
			"The filter '%s' is invalid, or the sandbox does not implement it", unknown)
	}
	return err
}

// filter passes objects one of whose values matches one of its patterns.
type filter struct {
	name     string
	patterns []*regexp.Regexp
}

func (f filter) matches(value string) bool {
	return slices.ContainsFunc(f.patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

// filters reads Filter.N.Name and Filter.N.Value.M; * and ? are wildcards.
func filters(f wire.Form) ([]filter, error) {
	var list []filter
	for _, each := range f.Each("Filter") {
		one := filter{name: each.Get("Name")}
		for _, v := range each.List("Value") {
			one.patterns = append(one.patterns, glob(v))
		}
		if len(one.patterns) == 0 {
			return nil, region.Errorf(region.Invalid, "InvalidParameterValue", "The filter '%s' has no values", one.name)
		}
		list = append(list, one)
	}
	return list, nil
}

// valuesOf finds what a filter compares: tags or an attribute.
func valuesOf(name string, at attributes, tags region.Tags) (values []string, known bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, ok := tags.Get(key); ok {
			values = []string{v}
		}
		return values, true
	}
	switch name {
	case "tag-key":
		for _, t := range tags {
			values = append(values, t.Key)
		}
		return values, true
	case "tag-value":
		for _, t := range tags {
			values = append(values, t.Value)
		}
		return values, true
	}
	values, known = at[name]
	return values, known
}

func glob(pattern string) *regexp.Regexp {
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\*`, ".*"), `\?`, ".")
	return regexp.MustCompile("^(?s:" + text + ")$") // a quoted text always compiles
}

// named tells whether a list of IDs or names in the request holds value; an
// absent list holds everything.
func named(f wire.Form, list, value string) bool {
	ids := f.List(list)
	return len(ids) == 0 || slices.Contains(ids, value)
}

// known refuses a request that names an ID which does not exist.
func known[T any](f wire.Form, list string, m map[string]*T, code, kind string) error {
	for _, id := range f.List(list) {
		if _, ok := m[id]; !ok {
			return region.Errorf(region.NotFound, code, "The %s ID '%s' does not exist", kind, id)
		}
	}
	return nil
}

// page cuts a Describe result as MaxResults and NextToken ask.
func page[T any](f wire.Form, list []T) ([]T, string, error) {
	size := 0
	if n := f.Int("MaxResults"); n != nil {
		size = *n
	}
	return wire.Page(list, f.Get("NextToken"), size)
}

// tag is a tag in EC2's XML.
type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func tagSet(tags region.Tags) []tag {
	set := make([]tag, len(tags))
	for i, t := range tags {
		set[i] = tag{t.Key, t.Value}
	}
	return set
}
