# AWS provider 6.46 or later: one item for each original that goes, whatever its sizes. Take this one if you can.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.46, < 7.0"
    }
  }
}
