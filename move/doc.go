// Package move empties nodes of any Kubernetes cluster without losing a request:
// those that Drover never saw, made by Terraform, eksctl, a console or by hand.
package move
