//go:build torture

package torture

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// save keeps a run's result, so that docs/torture.md can be written from all
// that was ever run, one scenario at a time.
func save(t *testing.T, r result) {
	t.Logf("%s: %d of %d failed %v, longest gap %s, took %s, exit codes %v, stuck %t, left %v",
		r.Way, r.failed(), r.Traffic.Sent, r.Traffic.Causes, r.Traffic.Gap.Round(time.Millisecond), r.Took.Round(time.Second), r.Codes, r.Stuck, r.Left)
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll("results", 0o755)
	}
	if err == nil {
		err = os.WriteFile(resultFile(r.Scenario, r.Way), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func resultFile(scenario, way string) string {
	return filepath.Join("results", scenario+"."+way+".json")
}

const reportHead = `# Torture

Each scenario below is moved under 200 requests a second to a node group's workload: by Drover (one ` + "`drover up`" + `), and as
tutorials tell (a second group; then, for each old node, ` + "`kubectl cordon`" + ` and ` + "`kubectl drain --force --ignore-daemonsets\n--delete-emptydir-data --grace-period=10`" + `; then the nodes deleted, the group scaled to 0). Written by ` + "`make torture`" + `, which
runs it all again; ` + "`make torture RUN=one-replica`" + ` runs one. A way that does not end is ended after 15 minutes (Drover) or 3
(the tutorials'), and is *stuck*. Figures are of one run each, in the [sandbox](sandbox.md), on two cores that had other work to do:
compare the columns, not the seconds.

The second group of the tutorials' way is made before the traffic begins; Drover makes it within its time. Of some scenarios
there is nothing to compare: where Drover is killed or interrupted, where its guard or its plan is what is tried
(breach-and-return, shrink-taken-back, two-moves), where only a plan can place the workload anew (tutorial,
local-traffic-placed), and where what is lost are answers of Cloud Control, which the tutorials' way asks nothing (answers-lost).
Others without a line of the tutorials' way have not been run by it.

| scenario | by | failed of sent | longest gap | took | ended | left behind |
|---|---|---|---|---|---|---|
`

// report writes docs/torture.md from the results that are there.
func report(t *testing.T) {
	var b strings.Builder
	b.WriteString(reportHead)
	for _, s := range scenarios {
		for _, w := range s.ways() {
			if r, ok := kept(t, s, w); ok {
				b.WriteString(line(r))
			}
		}
	}
	owners, err := os.ReadFile("owners.md") // by hand, from make torture-owners
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n" + string(owners))
	b.WriteString(losses(t))
	b.WriteString(tableOfKinds(t))
	b.WriteString("\n## The scenarios\n\n")
	for _, s := range scenarios {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.Name, s.About)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "torture.md"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kept is the result of a run; false: there has been none.
func kept(t *testing.T, s scenario, w way) (r result, ok bool) {
	text, err := os.ReadFile(resultFile(s.Name, w.name))
	if err != nil {
		return r, false
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r, true
}

const kindsHead = `
## Kinds of load balancers

Eight load balancers of one cluster, each with a Deployment of two pods, on three nodes that all of them share: the scenario
*kinds*, run once each way. Each gets 15 requests a second on new connections, 15 on 5 connections that are kept, an answer of
30 s every 2 s, and 5 WebSockets with two messages a second. Pods have 5 s of preStop and 60 s of grace; connections are
drained for 60 s everywhere (of target groups the default is 300 s: *network-balancer*). Network Load Balancers share their
targets between zones. Failed of sent:

- **Drover**: one ` + "`drover up`" + `
- **drain**: ` + "`kubectl drain`" + ` as above
- **managed**: EKS's own update of a managed node group (UpdateNodegroupVersion), as the sandbox does it by EKS's documents

| load balancer, its targets, traffic policy | load | Drover | drain | managed |
|---|---|---|---|---|
`

// tableOfKinds compares the kinds of load balancers, load by load.
func tableOfKinds(t *testing.T) string {
	var b strings.Builder
	b.WriteString(kindsHead)
	for _, s := range scenarios {
		for _, n := range s.Kinds {
			for _, load := range loads {
				fmt.Fprintf(&b, "| %s | %s |", n.About, load)
				for _, w := range s.ways() {
					fmt.Fprintf(&b, " %s |", cell(t, s, w, n, load))
				}
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}

// cell is what became of one load of one kind.
func cell(t *testing.T, s scenario, w way, n kind, load string) string {
	r, ok := kept(t, s, w)
	if !ok {
		return "not run"
	}
	a := r.Kinds[n.Name][load]
	return fmt.Sprintf("%d of %d", a.Failed, a.Sent)
}

// losses tells why requests failed by Drover, of each scenario in which some did.
func losses(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\n## What failed by Drover, and why\n\n")
	for _, s := range scenarios {
		r, ok := kept(t, s, byDrover)
		if !ok || r.failed() == 0 {
			continue
		}
		fmt.Fprintf(&b, "- **%s**, %d: %s\n", s.Name, r.failed(), cmp.Or(s.Why, "not known yet"))
	}
	return b.String()
}

func line(r result) string {
	sent := r.Traffic.Sent
	if r.Streams != nil {
		sent += r.Streams.Sent
	}
	left := strings.Join(r.Left, ", ")
	if left == "" {
		left = "–"
	}
	return fmt.Sprintf("| %s | %s | %d of %d | %s | %s | %s | %s |\n", r.Scenario, r.Way, r.failed(), sent,
		r.Traffic.Gap.Round(10*time.Millisecond), r.Took.Round(time.Second), r.ending(), left)
}

// ending says in a word how a run ended.
func (r result) ending() string {
	words := map[int]string{0: "done", 3: "refused", 5: "stopped", 6: "breached", 8: "parked", 10: "taken back", 130: "interrupted", -1: "killed"}
	if r.Stuck {
		return "**stuck**"
	}
	if r.Way == byTutorial.name && r.last() == 1 {
		return "with errors"
	}
	if w, ok := words[r.last()]; ok {
		return w
	}
	return fmt.Sprintf("exit code %d", r.last())
}
