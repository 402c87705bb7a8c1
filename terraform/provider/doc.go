// Package provider is the Drover provider of Terraform. It has one thing: the
// action drover_hand_over, for triggers before a resource is destroyed.
//
// # The flow
//
// Terraform configures the provider with the way to the cluster (provider.go).
// While it plans, it asks the action what it makes of its configuration: the
// action looks, and warns (action.go). When
// the trigger comes it hands over by package move of Drover, and says how far it
// is (progress.go). What goes wrong is an error, on which Terraform stops before it
// destroys. Nothing is remembered here: the move's record lies in the cluster, and
// the next apply goes on with it.
package provider
