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

// Form is the parameters of a query request, or a part of them.
type Form struct {
	values url.Values
	prefix string
}

// NewForm wraps parameters.
func NewForm(v url.Values) Form { return Form{values: v} }

// Get is a parameter's value, empty if it was not sent.
func (f Form) Get(name string) string { return f.values.Get(f.prefix + name) }

// Has tells whether a parameter was sent.
func (f Form) Has(name string) bool { return f.values.Has(f.prefix + name) }

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
func (f Form) Sub(name string) Form { return Form{f.values, f.prefix + name + "."} }

// List is a list of strings: Name.1, Name.2, … or Name.member.1, ….
func (f Form) List(name string) []string {
	var list []string
	for _, index := range f.indexes(name) {
		list = append(list, f.values.Get(index))
	}
	return list
}

// Each is a list of structures.
func (f Form) Each(name string) []Form {
	var list []Form
	for _, index := range f.indexes(name) {
		list = append(list, Form{f.values, index + "."})
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
