package ec2

import (
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// listing is what one Describe call goes through: the objects of a kind, by
// what a request can name and filter them, and how each is shown. All Describe
// calls behave alike because all go through list.
type listing[T, I any] struct {
	all     func(*region.State) []T
	names   []name[T]
	filters filters[T]
	tags    func(T) region.Tags // nil: the objects have none, or no filter looks at them
	show    func(*region.State, T) I
	pages   wire.Paging // zero: the ordinary ones
	either  bool        // names and MaxResults exclude each other
}

// name is a list parameter of a request that names objects.
type name[T any] struct {
	param   string // InstanceId
	of      func(T) string
	unknown func(value string) error // the answer to a value that names nothing
}

// filters are the values of an object that a filter of that name looks at.
type filters[T any] map[string]func(*region.State, T) []string

// one makes a filter of something that every object has one of.
func one[T any](f func(T) string) func(*region.State, T) []string {
	return func(_ *region.State, o T) []string { return []string{f(o)} }
}

// always makes a filter of what is the same for all objects.
func always[T any](value string) func(*region.State, T) []string {
	return func(*region.State, T) []string { return []string{value} }
}

// pages are those of most Describe calls.
var pages = wire.Paging{Least: 5, Most: 1000, BadSize: "InvalidParameterValue", BadToken: "InvalidParameterValue"}

// list finds what a request asks for.
func list[T, I any](s *Service, f wire.Form, l listing[T, I]) (found []I, next string, err error) {
	wanted, err := l.wanted(f)
	if err != nil {
		return nil, "", err
	}
	err = s.store.Read(func(st *region.State) (err error) {
		found, err = l.find(st, f, wanted)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	cut := l.pages
	if cut.Most == 0 {
		cut = pages
	}
	return wire.Page(cut, found, f.Get("NextToken"), f.Get("MaxResults"))
}

// filter passes objects one of whose values matches one of its patterns.
type filter struct {
	name     string
	patterns []*regexp.Regexp
}

func (f filter) matches(value string) bool {
	return slices.ContainsFunc(f.patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

// wanted reads Filter.N.Name and Filter.N.Value.M, and refuses filters that the
// call does not have; * and ? are wildcards.
func (l listing[T, I]) wanted(f wire.Form) ([]filter, error) {
	var wanted []filter
	for _, each := range f.Each("Filter") {
		one := filter{name: each.Get("Name")}
		if _, ok := l.filters[one.name]; !ok && (l.tags == nil || !ofTags(one.name)) {
			return nil, region.Errorf(region.Invalid, "InvalidParameterValue",
				"The filter '%s' is invalid, or the sandbox does not implement it", one.name)
		}
		for _, v := range each.List("Value") {
			one.patterns = append(one.patterns, glob(v))
		}
		if len(one.patterns) == 0 {
			return nil, region.Errorf(region.Invalid, "InvalidParameterValue", "The filter '%s' has no values", one.name)
		}
		wanted = append(wanted, one)
	}
	return wanted, nil
}

func ofTags(name string) bool {
	return strings.HasPrefix(name, "tag:") || name == "tag-key" || name == "tag-value"
}

func glob(pattern string) *regexp.Regexp {
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\*`, ".*"), `\?`, ".")
	return regexp.MustCompile("^(?s:" + text + ")$") // a quoted text always compiles
}

// find shows the objects that every name list and every filter lets through.
func (l listing[T, I]) find(st *region.State, f wire.Form, wanted []filter) ([]I, error) {
	all := l.all(st)
	for _, n := range l.names {
		if err := n.check(f, all); err != nil {
			return nil, err
		}
		if l.either && f.Has("MaxResults") && len(f.List(n.param)) > 0 {
			return nil, region.Errorf(region.Invalid, "InvalidParameterCombination",
				"The parameter %s cannot be used with the parameter maxResults", n.param)
		}
	}
	var found []I
	for _, o := range all {
		named := !slices.ContainsFunc(l.names, func(n name[T]) bool { return !n.has(f, o) })
		passes := func(w filter) bool { return slices.ContainsFunc(l.values(st, o, w.name), w.matches) }
		if named && !slices.ContainsFunc(wanted, func(w filter) bool { return !passes(w) }) {
			found = append(found, l.show(st, o))
		}
	}
	return found, nil
}

// check refuses a request that names what does not exist.
func (n name[T]) check(f wire.Form, all []T) error {
	for _, value := range f.List(n.param) {
		if !slices.ContainsFunc(all, func(o T) bool { return n.of(o) == value }) {
			return n.unknown(value)
		}
	}
	return nil
}

// has tells whether the request names the object; an absent list names all.
func (n name[T]) has(f wire.Form, o T) bool {
	values := f.List(n.param)
	return len(values) == 0 || slices.Contains(values, n.of(o))
}

// values are what a filter compares: tags or an attribute.
func (l listing[T, I]) values(st *region.State, o T, name string) (values []string) {
	if of, ok := l.filters[name]; ok {
		return of(st, o)
	}
	tags := l.tags(o)
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, ok := tags.Get(key); ok {
			values = []string{v}
		}
		return values
	}
	for _, t := range tags {
		if name == "tag-key" {
			values = append(values, t.Key)
		} else {
			values = append(values, t.Value)
		}
	}
	return values
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
