// Package wire speaks the protocols of AWS services: the query protocol of
// Auto Scaling, ELB, IAM and STS, EC2's dialect of it, JSON with a target
// header, and REST. It reads parameters and writes answers and errors in the
// form that each service's clients expect; it knows no service.
package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Form is the parameters of a query request, or a part of them. It remembers
// which of them were looked at.
type Form struct {
	values url.Values
	prefix string
	read   map[string]bool
}

// NewForm wraps parameters.
func NewForm(v url.Values) Form { return Form{values: v, read: map[string]bool{}} }

// Get is a parameter's value, empty if it was not sent.
func (f Form) Get(name string) string {
	f.read[f.prefix+name] = true
	return f.values.Get(f.prefix + name)
}

// Has tells whether a parameter was sent.
func (f Form) Has(name string) bool {
	f.read[f.prefix+name] = true
	return f.values.Has(f.prefix + name)
}

// Ignore names parameters, also structures and lists, that are accepted and have no effect.
func (f Form) Ignore(names ...string) {
	for key := range f.values {
		for _, name := range names {
			if key == f.prefix+name || strings.HasPrefix(key, f.prefix+name+".") {
				f.read[key] = true
			}
		}
	}
}

// Unread are the parameters that nobody has looked at: the action does not know
// them. They are sorted.
func (f Form) Unread() []string {
	var list []string
	for key := range f.values {
		if !f.read[key] {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	return list
}

// All is every parameter that the request was sent with but its client token,
// in one text: two requests with the same one ask for the same.
func (f Form) All() string {
	rest := url.Values{}
	for key, values := range f.values {
		if key != "ClientToken" && key != "DryRun" {
			rest[key] = values
		}
	}
	return rest.Encode()
}

// Int is a parameter's value as a number, nil if it was not sent as one.
func (f Form) Int(name string) *int {
	n, err := strconv.Atoi(f.Get(name))
	if err != nil {
		return nil
	}
	return &n
}

// Bool is a parameter's value as a truth, false if it was not sent.
func (f Form) Bool(name string) bool { return f.Get(name) == "true" }

// Sub is the structure of that name.
func (f Form) Sub(name string) Form { return Form{f.values, f.prefix + name + ".", f.read} }

// List is a list of strings: Name.1, Name.2, … or Name.member.1, ….
func (f Form) List(name string) []string {
	var list []string
	for _, index := range f.indexes(name) {
		f.read[index] = true
		list = append(list, f.values.Get(index))
	}
	return list
}

// Each is a list of structures.
func (f Form) Each(name string) []Form {
	var list []Form
	for _, index := range f.indexes(name) {
		list = append(list, Form{f.values, index + ".", f.read})
	}
	return list
}

// indexes finds the full names of a list's members, in order.
func (f Form) indexes(name string) []string {
	found := map[int]string{}
	for key := range f.values {
		rest, ok := strings.CutPrefix(key, f.prefix+name+".")
		if !ok {
			continue
		}
		head := f.prefix + name + "."
		if member, ok := strings.CutPrefix(rest, "member."); ok {
			rest, head = member, head+"member."
		}
		digits, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(digits); err == nil {
			found[n] = head + digits
		}
	}
	numbers := make([]int, 0, len(found))
	for n := range found {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = found[n]
	}
	return list
}
