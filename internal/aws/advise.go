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
	case want != nil && hidden(want) && !hidden(old):
		return []event.Finding{{Severity: event.Warning, Object: "cluster " + name,
			Effect: "its API server is reached from within the VPC only: from elsewhere, Drover and kubectl wait in vain",
			Fix:    "run them within the VPC (a VPN, a bastion, a build runner there), or write public: true with cidrs"}}
	case want != nil && old["Version"] != nil && !equal(old["Version"], want["Version"]):
		return []event.Finding{{Severity: event.Note, Object: "cluster " + name,
			Effect: fmt.Sprintf("its control plane becomes %v; kube-proxy, CoreDNS and the VPC CNI stay as they are, but for those in the stack (AWS::EKS::Addon)", want["Version"]),
			Fix:    fmt.Sprintf("after it, update them: aws eks describe-addon-versions --kubernetes-version %v", want["Version"])}}
	}
	return nil
}

// elasticIPs is how many Elastic IP addresses an account has in a region, unless
// it asked for more ("Amazon VPC quotas", VPC User Guide).
const elasticIPs = 5

// Quota tells what reaches a quota that many accounts have not raised.
func (p *Provider) Quota(typ string, total int) []event.Finding {
	if typ != "AWS::EC2::EIP" || total < elasticIPs {
		return nil
	}
	f := event.Finding{Severity: event.Note, Object: "network",
		Effect: fmt.Sprintf("the stack comes to %d Elastic IP addresses, which is all of the %d that an account has in a region unless it asked for more", total, elasticIPs),
		Fix:    "see that no others are used there (aws ec2 describe-addresses), ask for more (Service Quotas, EC2-VPC Elastic IPs), or set natGateways: single"}
	if total > elasticIPs {
		f.Severity = event.Warning
		f.Effect = fmt.Sprintf("the stack comes to %d Elastic IP addresses, and an account has %d in a region unless it asked for more: AWS refuses the others then", total, elasticIPs)
	}
	return []event.Finding{f}
}

// hidden reports that the internet does not reach the API server.
func hidden(cluster plan.Props) bool {
	return at(cluster, "ResourcesVpcConfig/EndpointPublicAccess") == false
}

// logs reports that a control plane has been told to log something.
func logs(cluster plan.Props) bool {
	types, _ := at(cluster, "Logging/ClusterLogging/EnabledTypes").([]any)
	return len(types) > 0
}
