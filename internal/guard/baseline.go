package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
)

// baselineAge is how old a baseline may be that a move goes on with: the same
// hour of another day is the most alike.
const baselineAge = 24 * time.Hour

// kept is a baseline as it is kept while a move lasts. A run that was killed
// amid its move has left traffic as a move leaves it, which is no measure for
// the run that goes on.
type kept struct {
	Of       string        `json:"of"` // identity of its guard
	At       time.Time     `json:"at"`
	Requests int           `json:"requests,omitempty"`
	Failed   int           `json:"failed,omitempty"`
	P50      time.Duration `json:"p50,omitempty"` // ns
	P99      time.Duration `json:"p99,omitempty"` // ns
	Value    string        `json:"value,omitempty"`
}

// identity tells guards apart by what they ask for. Headers and bodies, which
// may be secret, leave no trace in it.
func identity(g graph.Guard) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{g.Method, g.URL, g.Host, g.Query, g.Expect}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// keptBy finds each guard's own baseline among those that were kept; false:
// one has none that is fresh, and all are to be taken anew.
func keptBy(watchers []watcher, before engine.Baseline, now time.Time) ([]kept, bool) {
	var all []kept
	if json.Unmarshal(before, &all) != nil || len(all) != len(watchers) {
		return nil, false
	}
	for i, w := range watchers {
		if all[i].Of != w.identity() || now.Sub(all[i].At) > baselineAge || all[i].At.After(now) {
			return nil, false
		}
	}
	return all, true
}

// Baseline is what traffic was like before the move, for a run that goes on with it.
func (s *shift) Baseline() engine.Baseline {
	all := make([]kept, len(s.watchers))
	for i, w := range s.watchers {
		all[i] = w.keep()
	}
	text, _ := json.Marshal(all) // numbers and strings
	return text
}
