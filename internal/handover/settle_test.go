package handover

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Of several that send to a pod the slowest counts, in whatever order they stand.
func TestTheSlowestSenderCounts(t *testing.T) {
	before := bounds
	defer func() { bounds = before }()
	headless := func(_ *View, s *Service) bool { return s.Headless }
	slow := bound{who: "a proxy of somebody's", enough: time.Minute, source: "measured", sends: headless}
	v := NewView()
	for _, all := range [][]bound{append([]bound{slow}, before...), append(slices.Clone(before), slow)} {
		bounds = all
		if got := v.bound(&Service{Headless: true}); got != time.Minute {
			t.Errorf("it waits %s for one that takes a minute", got)
		}
		if got := v.bound(&Service{}); got != settleProxies {
			t.Errorf("it waits %s for one that does not send to it", got)
		}
	}
}

// Records of external-dns may hold longer than their bound, and who is asked takes its
// own time.
func TestWhatASenderSaysItselfCounts(t *testing.T) {
	v := NewView()
	v.PutService(&Service{Namespace: "apps", Name: "web", TargetGroups: []string{"arn:web"}})
	p := &Pod{Ref: Ref{"apps", "web-1", "1"}, Paths: []Path{{Service: "web"}}}
	for _, c := range []struct {
		b    Balancer
		want time.Duration
	}{
		{Balancer{Name: "web", Group: "arn:web", ByAddress: true, Draining: 5 * time.Minute, Lag: time.Minute}, settleProxies + 5*time.Minute},
		{Balancer{Name: "web", Group: "arn:web", ByAddress: true, Draining: time.Minute, Lag: 3 * time.Minute}, settleProxies + 3*time.Minute},
		{Balancer{Name: "web", Group: "arn:web", Draining: time.Hour}, settleProxies},
	} {
		v.hear([]Balancer{c.b})
		if got := v.settle(p, 0); got != c.want {
			t.Errorf("%+v: %s, want %s", c.b, got, c.want)
		}
	}
	if got := v.bound(&Service{Headless: true, Published: 2 * time.Hour}); got != 2*time.Hour {
		t.Errorf("records that hold for two hours are given %s", got)
	}
}

// What an object of a kind routes to is waited for by the row that names the kind, and
// by no other.
func TestEachRouteHasItsBound(t *testing.T) {
	before := bounds
	defer func() { bounds = before }()
	bounds = append(slices.Clone(before), bound{who: "a slow mesh", enough: time.Minute, routes: []string{"meshroute.example.com"}})
	for route, want := range map[string]time.Duration{"ingress/apps/web": settleIngress, "udproute/apps/web": settleIngress, "meshroute.example.com/apps/web": time.Minute} {
		kind, _, _ := strings.Cut(route, "/")
		if got := NewView().bound(&Service{Routes: []string{route}}); got != want || !slices.Contains(RouteKinds(), kind) {
			t.Errorf("%s: it waits %s, want %s; all kinds: %q", route, got, want, RouteKinds())
		}
	}
}

// What users read of each kind of sender is what the code goes by.
func TestBoundsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/hand-over.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Who still sends here\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, b := range bounds {
		row := fmt.Sprintf("| %s | – | %s | %s |\n", b.who, short(b.enough), b.source)
		if !strings.Contains(section, row) {
			t.Errorf("docs/hand-over.md, section Who still sends here, lacks this row:\n%s", row)
		}
	}
}

// What users read of each limit is the time that the code goes by.
func TestLimitsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/hand-over.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Limits\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range []string{
		short(patience) + " | *ready*: the same is missing",
		short(patience) + ", and its `minReadySeconds` | nothing of a workload moves",
		short(patience) + " | a node: it may not be excluded",
		short(jobPatience) + " | a Job's pod works",
		"grace period + " + short(overdue) + " | a pod that ends",
		short(outage) + " | nothing answers",
		short(deadAfter) + "; none if its instance has ended | a kubelet is silent",
		short(brokenAfter) + " | not Ready for so long",
		short(backLimit) + " | *stop*: pods under way come to their end before they go back; " + short(hurry) + " after Ctrl-C",
		short(farewell) + " more | *stop*: nothing has answered for as long",
		short(expiry) + " | a released pod without word",
		short(evictRetry) + " | between two evictions",
		short(soakTime) + ", or `soak` | soak",
	} {
		if !strings.Contains(section, "\n| "+row) {
			t.Errorf("docs/hand-over.md, section Limits, lacks a row that begins so:\n| %s", row)
		}
	}
}

// short writes 1 h, 7 min and 35 s as the page does.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
