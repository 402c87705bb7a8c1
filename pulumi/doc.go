// Package drover makes `pulumi up` move node groups without losing a request.
// One line in a Pulumi program does it:
//
//	drover.Protect(ctx, drover.Options{Kubeconfig: kubeconfig})
//
// # The flow
//
// Protect binds hooks to every node group of the program, by a transform
// (protect.go), and sees to it that the state of groups that were made before
// carries them (state.go). Pulumi calls the hooks (hooks.go): before a group is
// made, once it stands, before it changes, before it is deleted, and afterwards. What kinds of
// groups there are, and how they tell their names and sizes, is a table
// (groups.go). The hooks call package move of Drover, with the cluster that the
// kubeconfig names (cluster.go), and tell what happens in Pulumi's own log
// (tell.go).
//
// In a preview the same hooks only look: findings are told, and a blocker fails
// the preview. Nothing is remembered here: a move's record lies in the cluster, so
// the next `pulumi up` goes on where one stopped.
package drover
