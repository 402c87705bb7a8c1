// This program says what the stack has: an EKS cluster with two node groups. NGINX
// takes the traffic on the group "web" and hands it to an echoserver on "standard".
package main

import "github.com/droverhq/drover"

// standard is for everything that does not ask for another group.
var standard = drover.NodeGroupArgs{Kind: drover.SelfManaged, InstanceType: "t2.medium", Capacity: drover.Nodes(3)}

// web is for NGINX alone, one minor behind the control plane: it is about to be replaced.
var web = drover.NodeGroupArgs{
	Kind:         drover.SelfManaged,
	InstanceType: "t3.2xlarge",
	Version:      "1.35",
	Capacity:     &drover.Capacity{Desired: 3, Min: 3, Max: 10},
	Taints:       []drover.Taint{{Key: "nginx", Value: "true", Effect: drover.NoSchedule}},
	Fence:        new(true), // nobody but Drover ends a node; without it where an autoscaler is at work
}

func main() { drover.Run(infra) }

func infra(s *drover.Stack) error {
	cluster := s.Cluster(drover.ClusterArgs{
		Version: "1.36",
		Network: drover.NetworkArgs{CIDR: "172.16.0.0/16"}, // a public and a private subnet in every zone of the region
		Logs:    drover.AllLogs,
	})
	s.NodeGroup("standard", standard)

	s.Workload("base", manifests("base"))
	nginx := ingress(s, "nginx", s.NodeGroup("web", web))
	s.Workload("echoserver", manifests("echoserver"))

	watch(s, nginx, "echoserver")
	s.Output("kubeconfig", cluster.Kubeconfig())
	s.Output("nginxServiceUrl", nginx)
	return nil
}

// manifests are those of a workload: the folder of its name.
func manifests(name string) drover.WorkloadArgs {
	return drover.WorkloadArgs{Manifests: []string{"./" + name}}
}

// ingress is a component: an ingress controller on nodes of its own, and the name
// of the load balancer in front of it.
func ingress(s *drover.Stack, name string, on *drover.NodeGroup) drover.Output[string] {
	args := manifests(name)
	args.NodeGroup = on
	return s.Workload(name, args).Object("services", name).Hostname()
}

// watch asks every application behind a load balancer all the while a node group is
// moved: one answer that is not 200, or not the application's, stops the move.
func watch(s *drover.Stack, balancer drover.Output[string], applications ...string) {
	for _, app := range applications {
		s.Guard(drover.GuardArgs{Probe: drover.Probe{
			URL:       "http://" + balancer.String() + "/" + app,
			Host:      "apps.example.com",
			Rate:      200,
			MaxErrors: drover.Errors(0),
			Expect:    "Hostname: " + app + "-",
		}})
	}
}
