package spec

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean ends a message with the option that looks most like have, or
// with nothing if none is near.
func didYouMean(have string, options []string) string {
	if near := nearest(have, options); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// nearest is the option that takes the fewest edits to reach. A third of the
// word may be wrong, and case does not count.
func nearest(have string, options []string) string {
	best, limit := "", max(1, len(have)/3)+1
	if len(have) > maxQuote {
		return "" // no slip of the pen is that long
	}
	for _, o := range options {
		if d := distance(strings.ToLower(have), strings.ToLower(o)); d < limit {
			best, limit = o, d
		}
	}
	return best
}

// distance counts the edits that lead from a to b: a letter inserted, deleted
// or replaced, or two neighbours swapped (optimal string alignment).
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// maxChoices is how many options a remedy names.
const maxChoices = 30

// choices lists options for a remedy.
func choices(options []string) string {
	if len(options) == 0 {
		return "none"
	}
	sorted := slices.Clone(options)
	slices.Sort(sorted)
	if more := len(sorted) - maxChoices; more > 0 {
		return strings.Join(sorted[:maxChoices], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(sorted, ", ")
}
