package aws

import (
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

var _ engine.Adviser = (*Provider)(nil)

// Advise tells of what EKS makes beside a cluster, and neither changes nor
// deletes with it.
func (p *Provider) Advise(typ, name string, old, want plan.Props) []event.Finding {
	switch {
	case typ != "AWS::EKS::Cluster":
		return nil
	case want == nil && logs(old):
		group := fmt.Sprintf("/aws/eks/%s/cluster", name)
		return []event.Finding{{Severity: event.Warning, Object: "cluster " + name,
			Effect: "leaves the log group " + group + " with all that its control plane logged, which goes on to cost money",
			Fix:    fmt.Sprintf("once the cluster is gone: aws logs delete-log-group --region %s --log-group-name %s", p.region, group)}}
	case want != nil && old["Version"] != nil && !equal(old["Version"], want["Version"]):
		return []event.Finding{{Severity: event.Note, Object: "cluster " + name,
			Effect: fmt.Sprintf("its control plane becomes %v; kube-proxy, CoreDNS and the VPC CNI stay as they are, but for those in the stack (AWS::EKS::Addon)", want["Version"]),
			Fix:    fmt.Sprintf("after it, update them: aws eks describe-addon-versions --kubernetes-version %v", want["Version"])}}
	}
	return nil
}

// logs reports that a control plane has been told to log something.
func logs(cluster plan.Props) bool {
	types, _ := at(cluster, "Logging/ClusterLogging/EnabledTypes").([]any)
	return len(types) > 0
}
