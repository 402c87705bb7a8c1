package drover_test

import (
	"fmt"
	"strings"

	"github.com/droverhq/drover"
)

// What a program registers, as drover.yaml would say it.
func ExampleDescribe() {
	text, err := drover.Describe(drover.Given{Stack: "dev", Config: map[string]string{"web.nodes": "3"}}, func(s *drover.Stack) error {
		s.NodeGroup("web", drover.NodeGroupArgs{
			Kind: drover.SelfManaged, InstanceType: "m7i.large", Capacity: drover.Nodes(drover.Get[int](s, "web.nodes")),
		})
		return nil
	})
	fmt.Println(text, err)
	// Output:
	// {
	//   "nodeGroups": {
	//     "web": {
	//       "capacity": {
	//         "desired": 3,
	//         "min": 3,
	//         "max": 3
	//       },
	//       "instanceType": "m7i.large",
	//       "kind": "self-managed"
	//     }
	//   }
	// } <nil>
}

// Outputs are handed on as text, and joined with other text.
func ExampleSprintf() {
	text, err := drover.Describe(drover.Given{}, func(s *drover.Stack) error {
		nginx := s.Workload("nginx", drover.WorkloadArgs{Manifests: []string{"./nginx"}})
		s.Output("url", drover.Sprintf("http://%s:%d/", nginx.Object("services", "nginx").Hostname(), 8080))
		return nil
	})
	fmt.Println(text, err)
	// Output:
	// {
	//   "outputs": {
	//     "url": "http://${workloads.nginx.services.nginx.hostname}:8080/"
	//   },
	//   "workloads": {
	//     "nginx": {
	//       "manifests": [
	//         "./nginx"
	//       ]
	//     }
	//   }
	// } <nil>
}

// tenant is a component: a queue and its dead letters, for one tenant.
func tenant(s *drover.Stack, retries int) drover.Output[string] {
	dead := s.Resource("dead", drover.ResourceArgs{Type: "AWS::SQS::Queue"})
	jobs := s.Resource("jobs", drover.ResourceArgs{Type: "AWS::SQS::Queue", Properties: drover.Properties{
		"RedrivePolicy": drover.Properties{"deadLetterTargetArn": dead.Output("Arn"), "maxReceiveCount": retries},
	}})
	return jobs.Output("QueueUrl")
}

// A component is a function; its names start with the component's.
func ExampleStack_Component() {
	text, err := drover.Describe(drover.Given{}, func(s *drover.Stack) error {
		return s.Component("acme", func(s *drover.Stack) error {
			s.Output("queue", tenant(s, 5))
			return nil
		})
	})
	fmt.Println(text, err)
	// Output:
	// {
	//   "outputs": {
	//     "acme-queue": "${resources.acme-jobs.QueueUrl}"
	//   },
	//   "resources": {
	//     "acme-dead": {
	//       "type": "AWS::SQS::Queue"
	//     },
	//     "acme-jobs": {
	//       "properties": {
	//         "RedrivePolicy": {
	//           "deadLetterTargetArn": "${resources.acme-dead.Arn}",
	//           "maxReceiveCount": 5
	//         }
	//       },
	//       "type": "AWS::SQS::Queue"
	//     }
	//   }
	// } <nil>
}

// A list that is known only later is handed on as a whole, or one element of it.
func ExampleAt() {
	cluster := (&drover.Cluster{})
	subnets := cluster.Network().PrivateSubnets()
	fmt.Println(subnets, drover.At(subnets, 0))
	// Output: ${network.privateSubnets} ${network.privateSubnets.0}
}

// Text that means its "${" is no reference.
func ExamplePlain() {
	fmt.Println(drover.Plain("echo ${HOME}"))
	// Output: echo $${HOME}
}

// Secrets of the config are handed on, and not seen.
func ExampleStack_Secret() {
	text, err := drover.Describe(drover.Given{Stack: "dev", Secrets: []string{"token"}}, func(s *drover.Stack) error {
		s.Guard(drover.GuardArgs{Probe: drover.Probe{
			URL: "https://shop.example.com/cart", Headers: map[string]string{"Authorization": "Bearer " + s.Secret("token").String()},
			MaxErrors: drover.Errors(0), P99: "3x", Rate: 10,
		}})
		return nil
	})
	fmt.Println(strings.Contains(text, "Bearer ${config.token}"), err)
	// Output: true <nil>
}

// A program's main.
func ExampleRun() {
	main := func() {
		drover.Run(func(s *drover.Stack) error {
			s.Cluster(drover.ClusterArgs{Version: "1.36"})
			for _, zone := range []string{"a", "b", "c"} {
				s.NodeGroup("web-"+zone, drover.NodeGroupArgs{Kind: drover.Managed, InstanceType: "m7i.large", Capacity: drover.Nodes(2)})
			}
			return nil
		})
	}
	_ = main // drover runs it
}
