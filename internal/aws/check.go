package aws

import (
	"errors"
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
	if !equal(old["EncryptionConfig"], want["EncryptionConfig"]) {
		return keyChanged(name, old["EncryptionConfig"], want["EncryptionConfig"])
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

// keyChanged refuses another key for the Secrets of a cluster that stands: EKS has one
// for the whole life of a cluster, and the plan would be to make the cluster anew.
func keyChanged(name string, old, want any) error {
	refused := &problem.Error{Kind: problem.Refused, Op: "update cluster " + name,
		Err: errors.New("its Secrets are encrypted with a KMS key, and EKS neither takes that back nor changes the key"),
		Fix: "put encryptionKey back as it was; another key, or none, takes a new cluster, under another stack"}
	if old == nil {
		refused.Err = errors.New("it was made without a KMS key for its Secrets, and Drover gives it one only when it makes the cluster")
		refused.Fix = "remove encryptionKey; the key takes a new cluster, under another stack (aws eks associate-encryption-config gives one to this cluster for good, which Drover then leaves alone)"
	}
	if want != nil && old != nil {
		refused.Notes = append(refused.Notes, "the same key under another name (an alias, another ARN) counts as another")
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
