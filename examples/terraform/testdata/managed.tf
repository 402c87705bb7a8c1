# main.tf with groups that EKS manages.
terraform {
  required_version = ">= 1.16"
  required_providers {
    aws    = { source = "hashicorp/aws" }
    drover = { source = "droverhq/drover" }
  }
}

variable "groups" {
  description = "instance types, by the names of groups"
  type        = map(string)
}

variable "nodes" {
  description = "of each group"
  type        = number
}

variable "cluster" {
  description = "what the nodes join, and with what"
  type = object({
    name    = string
    role    = string # ARN
    subnets = list(string)
  })
}

action "drover_hand_over" "nodes" {
  config {
    from = ["nodegroup/${split("/", caller.id)[1]}"]
  }
}

resource "aws_cloudcontrolapi_resource" "group" {
  for_each  = var.groups
  type_name = "AWS::EKS::Nodegroup"
  desired_state = jsonencode({
    ClusterName   = var.cluster.name
    NodeRole      = var.cluster.role
    Subnets       = var.cluster.subnets
    InstanceTypes = [each.value]
    ScalingConfig = { MinSize = 1, DesiredSize = var.nodes, MaxSize = 10 }
    Labels        = { role = "shop" }
  })

  lifecycle {
    action_trigger {
      events     = [before_destroy]
      actions    = [action.drover_hand_over.nodes]
      on_failure = halt
    }
  }
}
