# The node groups of an EKS cluster, one for each entry of var.groups. Take an
# entry out, and what runs on its nodes moves before they are destroyed.
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
    name                  = string
    endpoint              = string
    certificate_authority = string
    service_cidr          = string
    image                 = string # Amazon Linux 2023 for the cluster's version
    instance_profile      = string # ARN
    security_group        = string
    subnets               = list(string)
  })
}

action "drover_hand_over" "nodes" {
  config {
    from = ["asg/${caller.id}"]
  }
}

resource "aws_cloudcontrolapi_resource" "group" {
  for_each  = var.groups
  type_name = "AWS::AutoScaling::AutoScalingGroup"
  desired_state = jsonencode({
    MinSize           = "1"
    MaxSize           = "10"
    DesiredCapacity   = tostring(var.nodes)
    VPCZoneIdentifier = var.cluster.subnets
    LaunchTemplate = {
      LaunchTemplateId = aws_cloudcontrolapi_resource.template[each.key].id
      Version          = "1"
    }
    Tags = [{ Key = "kubernetes.io/cluster/${var.cluster.name}", Value = "owned", PropagateAtLaunch = true }]
  })

  lifecycle {
    action_trigger {
      events     = [before_destroy]
      actions    = [action.drover_hand_over.nodes]
      on_failure = halt
    }
  }
}

resource "aws_cloudcontrolapi_resource" "template" {
  for_each  = var.groups
  type_name = "AWS::EC2::LaunchTemplate"
  desired_state = jsonencode({
    LaunchTemplateData = {
      ImageId            = var.cluster.image
      InstanceType       = each.value
      IamInstanceProfile = { Arn = var.cluster.instance_profile }
      SecurityGroupIds   = [var.cluster.security_group]
      MetadataOptions    = { HttpTokens = "required", HttpPutResponseHopLimit = 2 }
      UserData           = base64encode(local.user_data)
    }
  })
}

locals {
  user_data = <<-MIME
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="BOUNDARY"

    --BOUNDARY
    Content-Type: application/node.eks.aws

    ---
    apiVersion: node.eks.aws/v1alpha1
    kind: NodeConfig
    spec:
      cluster:
        name: ${var.cluster.name}
        apiServerEndpoint: ${var.cluster.endpoint}
        certificateAuthority: ${var.cluster.certificate_authority}
        cidr: ${var.cluster.service_cidr}
      kubelet:
        flags:
          - "--node-labels=role=shop"

    --BOUNDARY--
  MIME
}
