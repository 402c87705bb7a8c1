// Package move empties nodes of any Kubernetes cluster without losing a request:
// nodes that Drover never saw, made by Terraform, eksctl, a console or by hand.
//
//	from, err := move.ParseSet("nodegroup/web")
//	…
//	err = move.Run(ctx, move.Options{
//		From:   []move.Set{from},
//		Then:   move.Delete,
//		Guards: []move.Guard{{URL: "https://shop.example.com/healthz"}},
//		Events: event.NewLog(time.Now, show),
//	})
//
// # The flow
//
// A Set names nodes by what a person knows them by (set.go); resolve finds them
// in the cluster and, where they are instances of EC2, in AWS (resolve.go). A
// session holds both (session.go). Check looks and changes nothing; Run asks
// Approve, moves what runs there, and then does with the nodes what Then says
// (run.go, then.go). Both are the core that also carries out the plans of stacks:
// internal/handover.
//
// The state of a move lies in the cluster. Run with the same From goes on where
// a dead one was, from any machine. List, Find, Ask and Recover (moves.go) look
// at moves from elsewhere, and steer them.
//
// # What is asked of whom
//
// The cluster is that of a kubeconfig, by kubectl's rules, or the one that this
// runs in. AWS is asked with the standard chain of credentials, only if nodes are
// its instances. Without it a move goes as well, and tells what it cannot know:
// Auto Scaling groups are not held still, and a load balancer is given
// Options.BalancerSettle to let go of a node.
//
// Permissions tells what each of this needs.
package move
