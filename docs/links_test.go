// Package docs holds the pages that are read beside the code. Its tests hold them
// to it: links lead somewhere, places are in the code, quotes are what it says.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// TestLinksLead follows every relative link, picture and anchor of the pages.
func TestLinksLead(t *testing.T) {
	for _, page := range pages(t) {
		for _, link := range links(read(t, page)) {
			if fault := follow(t, page, link); fault != "" {
				t.Errorf("%s: %s: %s", page, link, fault)
			}
		}
	}
}

// Headings become anchors as on GitHub.
func TestAnchors(t *testing.T) {
	got := anchors("# A move's `Record`, 2 of 3\n\n    # not one\n\n## Soak\n```\n# nor this\n```\n## Soak\n## __Bold__ [link](x.md) -- end\n")
	want := []string{"a-moves-record-2-of-3", "soak", "soak-1", "__bold__-link----end"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// pages are all pages of the repository, from its root.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"../README.md", "../ARCHITECTURE.md", "../CONTRIBUTING.md", "../CHANGELOG.md"}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	return found
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	linked   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pictured = regexp.MustCompile(`(?:src|srcset|href)="([^"]+)"`)
	code     = regexp.MustCompile("`[^`]*`")
)

// links are the targets within a page that are not elsewhere on the web.
func links(text string) []string {
	var found []string
	for _, line := range prose(text) {
		line = code.ReplaceAllString(line, "")
		for _, pattern := range []*regexp.Regexp{linked, pictured} {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(m[1], "://") {
					found = append(found, m[1])
				}
			}
		}
	}
	return found
}

// prose are the lines that are no code.
func prose(text string) []string {
	var lines []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// follow says what is wrong with a link.
func follow(t *testing.T, page, link string) string {
	t.Helper()
	file, anchor, anchored := strings.Cut(link, "#")
	target := page
	if file != "" {
		target = filepath.Join(filepath.Dir(page), file)
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file"
	}
	if anchored && !slices.Contains(anchors(read(t, target)), anchor) {
		return "there is no such heading"
	}
	return ""
}

// anchors are those of a page's headings.
func anchors(text string) []string {
	var found []string
	seen := map[string]int{}
	for _, line := range prose(text) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		name := slug(title)
		if n := seen[name]; n > 0 {
			found = append(found, name+"-"+strconv.Itoa(n))
		} else {
			found = append(found, name)
		}
		seen[name]++
	}
	return found
}

var target = regexp.MustCompile(`\]\([^)]*\)`)

// slug is a heading as an anchor: small letters, digits, "-" and "_"; the
// target of a link in it does not count.
func slug(title string) string {
	title = target.ReplaceAllString(strings.TrimSpace(title), "]")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}
