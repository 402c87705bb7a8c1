package event

import (
	"errors"
	"slices"

	"github.com/droverhq/drover/problem"
)

// severities are in the order in which findings are told.
var severities = []Severity{Blocker, Warning, Note}

// GravestFirst are the findings as they are told: what blocks, what may lose
// something, what is good to know; those of one severity in the order that they have.
func GravestFirst(found []Finding) []Finding {
	sorted := slices.Clone(found)
	slices.SortStableFunc(sorted, func(a, b Finding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	return sorted
}

// Blockers are those findings for which nothing begins.
func Blockers(found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Severity != Blocker })
}

// Refused is why op does not begin: the first blocker with its remedy, and the others
// in notes. It is nil if nothing blocks.
func Refused(op string, found []Finding) *problem.Error {
	var refused *problem.Error
	for _, f := range Blockers(found) {
		switch why := f.Object + ": " + f.Effect; {
		case refused == nil:
			refused = &problem.Error{Kind: problem.Refused, Op: op, Err: errors.New(why), Fix: f.Fix}
		case f.Fix == "":
			refused.Notes = append(refused.Notes, "also "+why)
		default:
			refused.Notes = append(refused.Notes, "also "+why+"; fix: "+f.Fix)
		}
	}
	if refused != nil && refused.Fix == "" {
		refused.Fix = "resolve what blocks it; nothing was changed"
	}
	return refused
}

// RefusedAbove is the same where the findings have been printed already: it says how
// many they are, and what would not happen.
func RefusedAbove(found []Finding, so string) error {
	switch n := len(Blockers(found)); n {
	case 0:
		return nil
	case 1:
		return &problem.Error{Kind: problem.Refused, Err: errors.New("a blocker stands in the way; " + so), Fix: "follow its remedy, above"}
	default:
		return &problem.Error{Kind: problem.Refused, Err: errors.New(problem.Count(n, "blocker") + " stand in the way; " + so), Fix: "follow their remedies, above"}
	}
}
