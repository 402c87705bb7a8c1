package move

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// Report is what a move would do, and meet.
type Report struct {
	From      string          `json:"from"`
	To        string          `json:"to,omitempty"`
	Then      Then            `json:"then"`
	Nodes     []string        `json:"nodes"` // that are emptied
	Pods      []Pod           `json:"pods"`
	Balancers int             `json:"balancers"` // that send through the nodes
	Takes     time.Duration   `json:"takes"`     // about so long, in nanoseconds
	Findings  []event.Finding `json:"findings"`
	Makes     []string        `json:"makes,omitempty"` // what is made first
	Back      bool            `json:"back,omitempty"`  // it takes a move back; where each pod goes is not known yet
}

// Pod is what would become of one pod.
type Pod struct {
	Name     string `json:"name"` // apps/web-1
	Workload string `json:"workload"`
	Node     string `json:"node"`
	How      string `json:"how"`                // surge-first, in order …, or stays
	Why      string `json:"why,omitempty"`      // why it is not surge-first, or stays
	To       string `json:"to,omitempty"`       // the node where its replacement would go
	Daemon   bool   `json:"daemon,omitempty"`   // a DaemonSet's
	EmptyDir bool   `json:"emptyDir,omitempty"` // it keeps data that end with it
	Bare     bool   `json:"bare,omitempty"`     // nothing controls it
}

// Blockers are the findings that stop a move before it begins.
func (r Report) Blockers() []event.Finding {
	return event.Blockers(r.Findings)
}

// CanPark: with [Options.Park] a move would begin, as not everything is in its way.
func (r Report) CanPark() bool { return len(r.moving()) > len(r.Blockers()) }

// moving are the pods that would move.
func (r Report) moving() (pods []Pod) {
	return slices.DeleteFunc(slices.Clone(r.Pods), func(p Pod) bool { return p.How == stays })
}

// Moves: it does not stay.
func (p Pod) Moves() bool { return p.How != stays }

const stays = "stays"

func podOf(f handover.Fate) Pod {
	p := Pod{Name: f.Pod.String(), Workload: f.Workload, Node: f.Node, How: string(f.How), Why: f.Why, To: f.To, Daemon: f.Daemon, EmptyDir: f.EmptyDir, Bare: f.Bare}
	if f.How == "" {
		p.How = stays
	}
	return p
}

// Print writes the report for a person: where each pod would go, and how; what
// was noticed; and how long it would take.
func (r Report) Print(w io.Writer) error {
	to := ""
	if r.To != "" {
		to = " to " + r.To
	}
	line := fmt.Sprintf("move %s%s, then %s: %s, %s, %s, about %s", r.From, to, r.Then,
		problem.Count(len(r.Nodes), "node"), problem.Count(len(r.moving()), "pod"), problem.Count(r.Balancers, "load balancer"), r.Takes)
	if r.Back {
		line = fmt.Sprintf("move back what moved%s: %s, %s", to, problem.Count(len(r.Nodes), "node"), problem.Count(len(r.moving()), "pod"))
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", line); err != nil {
		return err
	}
	for _, line := range r.Makes {
		if _, err := fmt.Fprintf(w, "  makes %s\n", line); err != nil {
			return err
		}
	}
	if err := r.table(w); err != nil {
		return err
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, f.Object, f.Effect); err != nil {
			return err
		}
		if f.Fix == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  fix: %s\n", f.Fix); err != nil {
			return err
		}
	}
	return nil
}

// table has a line for each pod that moves; those that stay are counted.
func (r Report) table(w io.Writer) error {
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	staying := map[string]int{}
	for _, p := range r.Pods {
		if p.How == stays {
			staying[p.Why]++
			continue
		}
		to := p.To
		if to == "" {
			to = "?"
		}
		if _, err := fmt.Fprintf(lines, "  %s\t%s\t-> %s\t%s\n", p.Name, p.Node, to, p.How); err != nil {
			return err
		}
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	var reasons []string
	for why, n := range staying {
		reasons = append(reasons, fmt.Sprintf("  %s: %s\n", problem.Count(n, "pod stays", "pods stay"), why))
	}
	slices.Sort(reasons)
	_, err := io.WriteString(w, strings.Join(reasons, "")+"\n")
	return err
}
