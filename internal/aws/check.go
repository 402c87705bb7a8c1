package aws

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var _ engine.Checker = (*Provider)(nil)

// Check refuses what EKS would: a control plane goes up, one minor version at a
// time, and never down (EKS User Guide, "Update existing cluster to new Kubernetes version").
func (p *Provider) Check(typ, name string, old, want plan.Props) error {
	if typ != "AWS::EKS::Cluster" {
		return nil
	}
	from, okFrom := minor(old["Version"])
	to, okTo := minor(want["Version"])
	if !okFrom || !okTo || to == from || to == from+1 {
		return nil
	}
	refused := &problem.Error{Kind: problem.Refused, Op: "update cluster " + name,
		Err: fmt.Errorf("EKS takes a control plane from %v to %v in no single step", old["Version"], want["Version"]),
		Fix: fmt.Sprintf("set version: \"1.%d\", run up, and go on from there, one minor version at a time", from+1)}
	if to < from {
		refused.Err = fmt.Errorf("EKS takes no control plane back, from %v to %v", old["Version"], want["Version"])
		refused.Fix = fmt.Sprintf("set version: \"%v\"; an older version takes a new cluster, under another stack", old["Version"])
	}
	return refused
}

// minor is the 36 of "1.36".
func minor(version any) (int, bool) {
	text, _ := version.(string)
	_, rest, ok := strings.Cut(text, ".")
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil
}
