package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// word is the value of a flag that takes one of some words: what is refused, and what
// a shell is offered, come out of one list.
type word struct {
	flag string
	to   *string
	of   []string
}

// oneOf adds a flag that takes one of these words.
func oneOf(f *pflag.FlagSet, to *string, flag, value, usage string, words ...string) {
	*to = value
	f.Var(&word{flag, to, words}, flag, usage)
}

// String is the word that holds.
func (w *word) String() string {
	if w.to == nil {
		return ""
	}
	return *w.to
}

// Set takes a word, if it is one of them.
func (w *word) Set(text string) error {
	if !slices.Contains(w.of, text) {
		return badFlag("--"+w.flag, fmt.Errorf("%q is not a choice", text), "take "+either(w.of))
	}
	*w.to = text
	return nil
}

// Type is as that of any text.
func (w *word) Type() string { return "string" }

// either names words: none, client or server.
func either(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0] + ", or leave it out"
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
