package handover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The marks that a hand-over leaves on objects while it works. Each is written
// in the same atomic write as the change it records, or before it, so that a
// crash never leaves a change without its record.
const (
	// excludeLabel takes a node out of every load balancer that the AWS cloud
	// controller or the AWS Load Balancer Controller keeps; the only lever that
	// does (cordons, taints and NotReady do not).
	excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"

	BeforeAnnotation     = "drover.dev/before"     // on nodes: a Before
	ReleasedAnnotation   = "drover.dev/released"   // on pods: a Release
	ExpendableAnnotation = "drover.dev/expendable" // on bare pods, by the user: "true" lets a move end it for good

	// CostAnnotation ranks a ReplicaSet's pods for deletion, lowest first.
	CostAnnotation = "controller.kubernetes.io/pod-deletion-cost"
	highestCost    = "2147483647" // int32: deleted last

	suspendedTag = "drover.dev/suspended" // on Auto Scaling groups: processes that ran before, joined by spaces
	minTag       = "drover.dev/min"       // on Auto Scaling groups: MinSize before
)

// before is what a node was like before the hand-over touched it.
type before struct {
	Unschedulable bool    `json:"unschedulable"`
	Exclude       *string `json:"exclude,omitempty"`
}

// Release records how to give a released pod back.
type Release struct {
	Group    string            `json:"group"`    // whose hand-over it is
	Workload string            `json:"workload"` // deployment/apps/nginx
	At       time.Time         `json:"at"`
	Labels   map[string]string `json:"labels"`         // taken away
	Cost     *string           `json:"cost,omitempty"` // former deletion cost
	Out      bool              `json:"out,omitempty"`  // its Services' labels are among those taken
	Back     bool              `json:"back,omitempty"` // given back; its ReplicaSet has yet to remove the surplus pod
}

// release reads the record of a released pod; ok is false if it is not one.
func (p Pod) release() (r Release, ok bool) {
	if p.Released == "" {
		return Release{}, false
	}
	return r, json.Unmarshal([]byte(p.Released), &r) == nil
}

// encode writes plain data as JSON; data of this package's own types cannot fail.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	return string(data)
}

// held are the processes with which an Auto Scaling group would act against a
// move: launch or end instances that nobody moved. Terminate and Launch stay,
// because Terminate would also stop our own terminations.
var held = []string{"AZRebalance", "AlarmNotification", "ReplaceUnhealthy", "ScheduledActions"}

// hold records what a group was like before, in tags.
type hold struct {
	Processes []string // suspended by us
	Min       int      // former MinSize
}

func (h hold) tags() map[string]string {
	return map[string]string{suspendedTag: strings.Join(h.Processes, " "), minTag: strconv.Itoa(h.Min)}
}

// hold reads the record; ok is false if the group carries none.
func (g Group) hold() (h hold, ok bool) {
	text, ok := g.Tags[suspendedTag]
	if !ok {
		return hold{}, false
	}
	n, err := strconv.Atoi(g.Tags[minTag])
	if err != nil {
		n = g.Min
	}
	return hold{Processes: strings.Fields(text), Min: n}, true
}

// quiet: the group does nothing on its own, and may shrink to keep.
func (g Group) quiet(keep int) bool {
	_, recorded := g.hold()
	return recorded && g.Min <= keep && !slices.ContainsFunc(held, func(p string) bool { return !slices.Contains(g.Suspended, p) })
}

// running are the held processes that are not suspended yet.
func (g Group) running() []string {
	return slices.DeleteFunc(slices.Clone(held), func(p string) bool { return slices.Contains(g.Suspended, p) })
}
