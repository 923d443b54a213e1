# AWS provider 6.46 or later: one item for each original that goes, in whatever sizes. Take this one if you can.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.46, < 7.0"
    }
  }
}

variable "region" {
  description = "Where buckets and functions are. CloudFront is everywhere."
  type        = string
}

variable "name" {
  type    = string
  default = "afterimage"
}

variable "mode" {
  type    = string
  default = "strict"
}

variable "existing_bucket" {
  description = "A bucket that holds originals already. Unset makes one."
  type        = string
  default     = null
}

provider "aws" {
  region = var.region
}

locals {
  # What make lambda leaves.
  built = "${path.module}/../../../../dist/lambda"
}

module "afterimage" {
  source            = "../../tags"
  name              = var.name
  mode              = var.mode
  existing_bucket   = var.existing_bucket
  package_directory = local.built
  rewrite_code      = file("${local.built}/${var.mode == "cheap" ? "rewrite-cheap.js" : "rewrite.js"}")
}

output "url" {
  value = module.afterimage.url
}

output "originals_bucket" {
  value = module.afterimage.originals_bucket
}

output "distribution_id" {
  value = module.afterimage.distribution_id
}

output "existing_bucket_needs" {
  value = module.afterimage.existing_bucket_needs
}

output "signing_store_arn" {
  value = module.afterimage.signing_store_arn
}
