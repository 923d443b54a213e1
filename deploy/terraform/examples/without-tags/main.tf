# AWS provider 5.x, which cannot give a distribution a tag header: CloudFront is told by path.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6.0"
    }
  }
}
