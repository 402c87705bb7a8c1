package handover

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

var update = flag.Bool("update", false, "write the golden traces anew")

// A trace is what a reader should be able to follow: each turn's phase and
// actions as they were asked for, and what was seen to happen. Its diff is reviewed like code.
func TestTraces(t *testing.T) {
	two := func() *world { return newWorld(1, 2, deploymentApp("nginx", 2, 1)) }
	for name, play := range map[string]func(*trace){
		"surge":          func(r *trace) { r.until(two().player(0), time.Hour) },
		"shrink":         func(r *trace) { r.until(two().player(1), time.Hour) },
		"single-replica": func(r *trace) { r.until(newWorld(1, 1, deploymentApp("nginx", 1, 1)).player(0), time.Hour) },
		"statefulset":    func(r *trace) { r.until(newWorld(1, 2, statefulApp("db", 2, 1)).player(0), time.Hour) },
		"spent-budget": func(r *trace) {
			r.until(newWorld(1, 1, statefulApp("db", 1, 0), refusing("mq", 2)).player(0), time.Hour)
		},
		"no-replacement": func(r *trace) {
			w := two()
			w.apps[0].bad = true
			r.until(w.player(0), time.Hour)
		},
		"breach": func(r *trace) {
			p := two().player(0)
			r.until(p, 9*time.Second)
			p.breach = "GET /echoserver: 502 Bad Gateway"
			r.until(p, time.Hour)
		},
		"uncordoned": func(r *trace) {
			w := two()
			p := w.player(0)
			for p.state.Phase != EvictRest {
				r.until(p, time.Second)
			}
			w.cordonGroup(w.from.Name, false) // and a new pod lands there
			w.apps[0].Replicas = 4
			w.apps[0].lure = w.nodes[0].Name
			w.step(time.Second)
			r.until(p, time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := trace{told: map[string]bool{}}
			play(&r)
			compare(t, name, r.out.String())
		})
	}
}

// refusing is a StatefulSet whose budget is spent for a reason that inspect
// cannot see beforehand.
func refusing(name string, replicas int) *app {
	a := statefulApp(name, replicas, 0)
	a.spent = true
	return a
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "traces", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/handover -update writes it anew):\n%s", file, got)
	}
}

type trace struct {
	out  strings.Builder
	told map[string]bool // turns written down since something last happened, their times left out
}

// duration is the part of a line that changes while nothing happens.
var duration = regexp.MustCompile(`\d[\dhms]*s`)

func (r *trace) say(format string, args ...any) { _, _ = fmt.Fprintf(&r.out, format, args...) }

// until plays and writes down; a turn that tells nothing new is left out.
func (r *trace) until(p *player, limit time.Duration) {
	for end := p.now.Add(limit); p.now.Before(end) && p.state.Phase != Done && p.state.Phase != Stopped; {
		at, phase := p.now.Sub(epoch.Add(setUp)), p.state.Phase
		p.facts = nil
		o, err := p.run.observe(p.ctx(), p.state)
		if err != nil {
			r.say("%v\n", err)
			return
		}
		_, actions := Next(p.state, o)
		p.turn(time.Second)
		var b strings.Builder
		for _, a := range actions {
			fmt.Fprintf(&b, "  > %s\n", a)
		}
		for _, f := range p.facts {
			if line := seen(f); line != "" {
				fmt.Fprintf(&b, "  . %s\n", line)
			}
		}
		if strings.Contains(b.String(), "  . ") {
			r.told = map[string]bool{}
		}
		if key := duration.ReplaceAllString(b.String(), ""); b.Len() > 0 && !r.told[key] {
			r.told[key] = true
			r.say("%s %s\n%s", at, phase, &b)
		}
	}
	if p.state.Phase == Done || p.state.Phase == Stopped {
		r.say("%s\n", p.state.Phase)
		if p.state.Reason != nil {
			r.say("%s: %s\nfix: %s\n", p.state.Reason.Op, p.state.Reason.Why, p.state.Reason.Fix)
		}
	}
	for _, b := range p.broken {
		r.say("BROKEN %s\n", b)
	}
}

// seen is a fact in one line.
func seen(f event.Fact) string {
	switch f := f.(type) {
	case event.PhaseChanged:
		return "phase " + string(f.From) + " -> " + string(f.To)
	case event.NodeChanged:
		return "node " + f.Node + " " + string(f.Change)
	case event.PodMoved:
		return "pod " + f.Pod + " on " + f.Node + " " + string(f.Change)
	case event.TargetChanged:
		return "target " + f.Instance + " " + string(f.State)
	}
	return ""
}
