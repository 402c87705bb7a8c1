package handover

import (
	"maps"
	"testing"
)

// What a CronJob makes next has another name and UID: sentinels keep its pods off by the
// labels that all its Jobs' have. Where there are none, by the one Job's.
func TestLabelsByWhichPodsAreKeptOff(t *testing.T) {
	job := map[string]string{"batch.kubernetes.io/job-name": "report-1", "job-name": "report-1", "controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-completion-index": "0"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(job)
		maps.Copy(all, more)
		return all
	}
	for name, c := range map[string]struct{ labels, want map[string]string }{
		"a Deployment's": {map[string]string{"app": "web", "pod-template-hash": "1"}, map[string]string{"app": "web"}},
		"a CronJob's":    {with(map[string]string{"app": "report"}), map[string]string{"app": "report"}},
		"a Job's own":    {job, map[string]string{"batch.kubernetes.io/job-name": "report-1"}},
	} {
		v := NewView()
		p := &Pod{Ref: Ref{"apps", "p", "1"}, Workload: "job/apps/report-1", Labels: c.labels}
		v.PutPod(p)
		if got := (&Move{view: v}).common(p); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The same wishes read the same.
func TestRepelsReadsTheSameInAnyOrder(t *testing.T) {
	a, b := Repelled{"apps", map[string]string{"app": "a"}}, Repelled{"apps", map[string]string{"app": "b"}}
	if one, other := Repels([]Repelled{a, b}), Repels([]Repelled{b, a, b}); one != other {
		t.Errorf("%s, %s", one, other)
	}
}
