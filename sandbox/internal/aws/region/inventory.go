package region

import "slices"

// Inventory lists the identifiers of everything that exists, by type. Types
// without any are left out, and so is what AWS itself makes along with a VPC,
// security group rules, instances that are terminated and stacks that are deleted.
func (s *State) Inventory() map[string][]string {
	found := map[string][]string{}
	collect(found, "AWS::EC2::VPC", s.VPCs)
	collect(found, "AWS::EC2::Subnet", s.Subnets)
	collect(found, "AWS::EC2::InternetGateway", s.Gateways)
	collect(found, "AWS::EC2::VPCGatewayAttachment", s.Attachments)
	collect(found, "AWS::EC2::EIP", s.Addresses)
	collect(found, "AWS::EC2::NatGateway", s.NATs)
	collect(found, "AWS::EC2::SubnetRouteTableAssociation", s.Associations)
	collect(found, "AWS::EC2::LaunchTemplate", s.LaunchTemplates)
	collect(found, "AWS::IAM::Role", s.Roles)
	collect(found, "AWS::IAM::InstanceProfile", s.Profiles)
	collect(found, "AWS::IAM::ManagedPolicy", s.Policies)
	collect(found, "AWS::IAM::OIDCProvider", s.OIDCProviders)
	collect(found, "AWS::EKS::Cluster", s.Clusters)
	collect(found, "AWS::EKS::AccessEntry", s.AccessEntries)
	collect(found, "AWS::EKS::Addon", s.Addons)
	collect(found, "AWS::EKS::PodIdentityAssociation", s.PodIdentities)
	collect(found, "AWS::KMS::Key", s.Keys)
	collect(found, "AWS::EKS::Nodegroup", s.Nodegroups)
	collect(found, "AWS::AutoScaling::AutoScalingGroup", s.Groups)
	collect(found, "AWS::ElasticLoadBalancing::LoadBalancer", s.LoadBalancers)
	collect(found, "AWS::ElasticLoadBalancingV2::LoadBalancer", s.V2Balancers)
	collect(found, "AWS::ElasticLoadBalancingV2::Listener", s.TargetListeners)
	collect(found, "AWS::ElasticLoadBalancingV2::ListenerRule", s.ListenerRules)
	collect(found, "AWS::ElasticLoadBalancingV2::TargetGroup", s.TargetGroups)
	collect(found, "AWS::CertificateManager::Certificate", s.Certificates)
	collect(found, "AWS::EC2::Volume", s.Volumes)
	for id, t := range s.RouteTables {
		if !t.Main {
			found["AWS::EC2::RouteTable"] = append(found["AWS::EC2::RouteTable"], id)
		}
	}
	for id, r := range s.Routes {
		if r.GatewayID != "local" {
			found["AWS::EC2::Route"] = append(found["AWS::EC2::Route"], id)
		}
	}
	for id, g := range s.SecurityGroups {
		if g.GroupName != "default" {
			found["AWS::EC2::SecurityGroup"] = append(found["AWS::EC2::SecurityGroup"], id)
		}
	}
	for id, i := range s.Instances {
		if i.State != Terminated {
			found["AWS::EC2::Instance"] = append(found["AWS::EC2::Instance"], id)
		}
	}
	for id, stack := range s.Stacks {
		if stack.Status != DeleteComplete {
			found[StackType] = append(found[StackType], id)
		}
	}
	for _, ids := range found {
		slices.Sort(ids)
	}
	return found
}

func collect[T any](found map[string][]string, typ string, m map[string]*T) {
	for id := range m {
		found[typ] = append(found[typ], id)
	}
}
