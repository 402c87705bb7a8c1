// Package drover says in Go what drover.yaml says in YAML: which cluster, node
// groups, workloads and other resources a stack has. It is for stacks that want
// loops, functions, types and components of their own.
//
//	package main
//
//	import "github.com/droverhq/drover"
//
//	func main() {
//		drover.Run(func(s *drover.Stack) error {
//			s.Cluster(drover.ClusterArgs{Version: "1.36"})
//			web := s.NodeGroup("web", drover.NodeGroupArgs{
//				Kind: drover.SelfManaged, InstanceType: "m7i.large", Capacity: drover.Nodes(3),
//			})
//			s.Workload("nginx", drover.WorkloadArgs{Manifests: []string{"./nginx"}, NodeGroup: web})
//			return nil
//		})
//	}
//
// drover.yaml keeps the project's name, where its state is, and the folder of
// the main package; everything else comes from the program:
//
//	name: shop
//	program: ./infra
//
// Every command that reads the stack file (up, preview, refresh …) builds the
// program with the go command of this machine and runs it once. It changes
// nothing: it tells what the stack shall have, and Drover plans, moves and takes
// back as it does for a file. Package github.com/droverhq/drover/project is the
// library for programs that call Drover, instead of being called by it.
//
// # Outputs
//
// What AWS or Kubernetes will say of an object is an [Output]: a promise, typed by
// what it will be, that Drover keeps while it carries the plan out. A program
// cannot look at the value, since it has ended by then; it can hand it on. As text
// an Output is a reference, so that it may stand in any text that may hold one:
//
//	s.Guard(drover.GuardArgs{Probe: drover.Probe{URL: "http://" + lb.String() + "/"}})
//	url := drover.Sprintf("http://%s:%d/", lb, 8080)
//
// What must be known before anything is created (names, versions, numbers of nodes)
// takes no Output. Text that holds "${" and means it is written [Plain].
//
// # Config and secrets
//
// [Stack.Config], [Stack.Lookup] and [Get] read the stack's config. A secret of the
// config never reaches the program: [Stack.Secret] is a reference to it.
//
// # Components
//
// A component is a function that takes a [Stack] and whatever else it needs, and
// returns what others need of it. [Stack.Component] gives it names of its own, so
// that it can be there more than once.
//
// # Mistakes
//
// Nothing returns an error: mistakes of the whole program are collected, told with
// file and line of the call, and a remedy, and nothing is changed then. An error
// that the function of [Run] returns is told with them; so is a panic. What the
// program prints goes to the terminal's standard error.
//
// [Describe] runs such a function in a test.
package drover
