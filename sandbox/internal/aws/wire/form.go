// Package wire speaks the protocols of AWS services: the query protocol of
// Auto Scaling, ELB, IAM and STS, EC2's dialect of it, JSON with a target
// header, and REST. It reads parameters and writes answers and errors in the
// form that each service's clients expect; it knows no service.
package wire

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Form is the parameters of a query request, or a part of them. It remembers
// which of them were looked at, and which were not what they have to be.
type Form struct {
	values url.Values
	prefix string
	read   map[string]bool
	wrong  map[string]string // why, by parameter
}

// NewForm wraps parameters.
func NewForm(v url.Values) Form {
	return Form{values: v, read: map[string]bool{}, wrong: map[string]string{}}
}

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

// Says tells whether a parameter was sent, be it a structure or a list, even if there is
// nothing in it. It does not count as read.
func (f Form) Says(name string) bool {
	for key := range f.values {
		if key == f.prefix+name || strings.HasPrefix(key, f.prefix+name+".") {
			return true
		}
	}
	return false
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

// Whole has a change refuse its request for what it says and nobody reads: it would
// be silently without effect. What is refused leaves nothing behind.
func (f Form) Whole(change func(*region.State) error) func(*region.State) error {
	return func(st *region.State) error {
		if err := change(st); err != nil {
			return err
		}
		return f.AllRead()
	}
}

// AllRead refuses a request that says what nobody has read, or what is not what it
// has to be.
func (f Form) AllRead() error {
	f.Ignore("Action", "Version")
	if unread := f.Unread(); len(unread) > 0 {
		return region.Errorf(region.Invalid, "ValidationError", "the sandbox does not implement %s", strings.Join(unread, ", "))
	}
	if wrong := f.Wrong(); wrong != "" {
		return region.Errorf(region.Invalid, "ValidationError", "%s", wrong)
	}
	return nil
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

// Wrong says which parameters that were read are not what they have to be, and why;
// empty: none. An action that asks for numbers, truths or words refuses by it, within
// its change, as it does what nobody has read.
func (f Form) Wrong() string {
	var list []string
	for name, why := range f.wrong {
		list = append(list, "Value ("+f.values.Get(name)+") for parameter "+name+" is invalid: "+why)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

// must notes that a parameter is not what it has to be.
func (f Form) must(name, be string) { f.wrong[f.prefix+name] = "it must be " + be }

// Int is a parameter's value as a number, nil if it was not sent as one.
func (f Form) Int(name string) *int {
	text := f.Get(name)
	n, err := strconv.Atoi(text)
	if err != nil {
		if text != "" {
			f.must(name, "a whole number")
		}
		return nil
	}
	return &n
}

// Within is the same of a number that has bounds.
func (f Form) Within(name string, least, most int) *int {
	n := f.Int(name)
	if n != nil && (*n < least || *n > most) {
		f.must(name, fmt.Sprintf("from %d to %d", least, most))
	}
	return n
}

// Bool is a parameter's value as a truth, false if it was not sent.
func (f Form) Bool(name string) bool {
	text := f.Get(name)
	if text != "" && !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		f.must(name, "true or false")
	}
	return strings.EqualFold(text, "true")
}

// Word is a parameter's value that must be one of some, empty if it was not sent.
func (f Form) Word(name string, words ...string) string {
	text := f.Get(name)
	if text != "" && !slices.Contains(words, text) {
		f.must(name, "one of "+strings.Join(words, ", "))
	}
	return text
}

// Time is a parameter's value as a time, zero if it was not sent.
func (f Form) Time(name string) time.Time {
	text := f.Get(name)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil && text != "" {
		f.must(name, "a time like 2026-11-01T00:00:00Z")
	}
	return at
}

// Sub is the structure of that name.
func (f Form) Sub(name string) Form { return f.under(f.prefix + name + ".") }

// under is the part of the parameters whose names begin so.
func (f Form) under(prefix string) Form {
	f.prefix = prefix
	return f
}

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
		list = append(list, f.under(index+"."))
	}
	return list
}

// indexes finds the full names of a list's members, in order. A list that is there
// and has none comes as its bare name with nothing.
func (f Form) indexes(name string) []string {
	if f.values.Has(f.prefix+name) && f.values.Get(f.prefix+name) == "" {
		f.read[f.prefix+name] = true
	}
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
