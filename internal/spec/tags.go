package spec

import (
	"strings"
	"unicode/utf8"
)

// What AWS takes of a tag, and how many an object can have; Drover's own are five,
// and a node group's parts have two more.
const (
	maxTagKey   = 128
	maxTagValue = 256
	maxTags     = 50 - 5 - 2
)

// defaultTags are those of every AWS object that can have tags.
func (l *loader) defaultTags(f field) {
	entries := f.entries("tags: {team: web}")
	if len(entries) > maxTags {
		f.fail("leave some out", "%d tags; an object of AWS has 50 at most, of which Drover needs %d", len(entries), 50-maxTags)
	}
	for _, e := range entries {
		text, ok := e.word(e.name + `: "text"`)
		if !ok {
			if !e.given() {
				e.fail(`write "" for an empty value`, "has no value")
			}
			continue
		}
		switch lower := strings.ToLower(e.name); {
		case e.name == "" || utf8.RuneCountInString(e.name) > maxTagKey:
			e.fail("take 1 to 128 characters", "%q is not a key that AWS takes", e.name)
		case strings.HasPrefix(lower, "aws:") || strings.HasPrefix(lower, "drover:"):
			e.fail("take another key", "tags that begin with aws: and drover: are set by AWS and Drover")
		case utf8.RuneCountInString(text) > maxTagValue:
			e.fail("shorten it to 256 characters", "a tag's value has 256 characters at most")
		}
		if l.spec.Tags == nil {
			l.spec.Tags = make(map[string]string, len(entries))
		}
		l.spec.Tags[e.name] = text
	}
}
