# What provider 6.46 and later can say and 5.x cannot. Everything else in this folder is a link to the module above; a block here is
# merged into the block of that name there.
#
# cache_tag_config: https://github.com/hashicorp/terraform-provider-aws/pull/47872, in 6.46.0 (2026-05-20).

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.46, < 7.0"
    }
  }
}

locals {
  by_tags = true
}

resource "aws_cloudfront_distribution" "edge" {
  cache_tag_config {
    header_name = local.tag_header
  }
}

# The condition lambda:InvokedViaFunctionUrl.
resource "aws_lambda_permission" "edge_function" {
  invoked_via_function_url = true
}
