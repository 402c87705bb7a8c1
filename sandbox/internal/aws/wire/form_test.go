package wire

import (
	"net/url"
	"testing"
)

// What a parameter must be is asked where it is read, also within structures and
// lists, and remembered for the whole request.
func TestWrongValues(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		read  func(Form)
		wrong string
	}{
		"a number":          {"3", func(f Form) { f.Int("P") }, ""},
		"no number":         {"abc", func(f Form) { f.Int("P") }, "Value (abc) for parameter P is invalid: it must be a whole number"},
		"nothing":           {"", func(f Form) { f.Int("P"); f.Bool("P"); f.Word("P", "a") }, ""},
		"within":            {"64", func(f Form) { f.Within("P", 1, 64) }, ""},
		"beyond":            {"65", func(f Form) { f.Within("P", 1, 64) }, "Value (65) for parameter P is invalid: it must be from 1 to 64"},
		"below":             {"0", func(f Form) { f.Within("P", 1, 64) }, "Value (0) for parameter P is invalid: it must be from 1 to 64"},
		"a truth":           {"True", func(f Form) { f.Bool("P") }, ""},
		"no truth":          {"yes", func(f Form) { f.Bool("P") }, "Value (yes) for parameter P is invalid: it must be true or false"},
		"a word":            {"a", func(f Form) { f.Word("P", "a", "b") }, ""},
		"another word":      {"c", func(f Form) { f.Word("P", "a", "b") }, "Value (c) for parameter P is invalid: it must be one of a, b"},
		"what nobody reads": {"abc", func(Form) {}, ""},
	} {
		for _, at := range []string{"", "S.", "L.member.1."} {
			f := NewForm(url.Values{at + "P": {c.value}})
			part := f
			switch at {
			case "S.":
				part = f.Sub("S")
			case "L.member.1.":
				part = f.Each("L")[0]
			}
			c.read(part)
			want := c.wrong
			if want != "" {
				want = "Value (" + c.value + ") for parameter " + at + want[len("Value ("+c.value+") for parameter "):]
			}
			if got := f.Wrong(); got != want {
				t.Errorf("%s at %q: %q, want %q", name, at, got, want)
			}
		}
	}
}

// A list without members is there: by its bare name, with nothing. One that has a
// value there is no list, and nobody has read it.
func TestEmptyLists(t *testing.T) {
	f := NewForm(url.Values{"Groups": {""}, "Tags": {""}, "Names": {"web"}, "Action": {"A"}})
	if n := len(f.List("Groups")) + len(f.Each("Tags")) + len(f.List("Names")); n > 0 {
		t.Errorf("%d members", n)
	}
	if err := f.AllRead(); err == nil || err.Error() != "ValidationError: the sandbox does not implement Names" {
		t.Error(err)
	}
}
