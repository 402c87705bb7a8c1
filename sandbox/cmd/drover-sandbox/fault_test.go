package main

import (
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// The list tells what each fault hits, how often it has, and how long it lasts.
func TestPrintFaults(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out strings.Builder
	err := printFaults(&out, faultList{
		AWS: []fault.Fault{
			{ID: "f1", Kind: fault.Throttle, Service: "ec2", Operation: "Describe*", Count: 20, Hits: 3},
			{ID: "f2", Kind: fault.Hang, Until: now.Add(90 * time.Second), Hits: 1},
			{ID: "f4", Kind: fault.Lose, Resource: "i-0abc", Count: 1, Hits: 1},
		},
		Other: []supervisor.Fault{
			{Target: "controlplane", Kind: supervisor.Down, Until: now.Add(time.Minute)},
			{Target: "i-0123456789abcdef0", Node: "ip-10-0-1-5", Kind: supervisor.Cut},
		},
	}, now)
	const want = `FAULT                KIND      WHAT           HITS     LEFT
f1                   throttle  ec2 Describe*  3 of 20
f2                   hang      every request  1        1m30s
f4                   lose      i-0abc         1 of 1   over
controlplane         down                              1m0s
i-0123456789abcdef0  cut       ip-10-0-1-5
`
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		got.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if err != nil || got.String() != want {
		t.Errorf("%v\n%s", err, got.String())
	}
}
