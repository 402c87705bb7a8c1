// Package project is the library: what the commands of the CLI call, and
// nothing below it. A Project is a folder with drover.yaml; a stack is one
// instance of it with a state of its own.
//
//	p, err := project.Open(ctx, project.Options{Dir: "shop"})
//	err = p.Init(ctx, "dev")
//	err = p.Up(ctx, events, approve)
//
// Use Preview to see what Up would do, Up to make the stack what the file
// declares, and Destroy to delete everything it has. All three tell what they
// do as events (package event) and fail with errors that end with a remedy
// (package problem).
//
// The flow: package spec reads the files, package expand makes a graph of
// resources, package engine compares it with the state and makes a plan
// (package plan), and carries it out through providers for AWS and Kubernetes.
package project
