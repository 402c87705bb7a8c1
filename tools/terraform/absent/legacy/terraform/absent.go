// Package terraform stands in for what tests of Terraform itself need.
package terraform
