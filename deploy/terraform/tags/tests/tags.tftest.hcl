# What is different with tags.

mock_provider "aws" {
  source = "../tests/mock"
}

variables {
  package_directory = "../tests/packages"
  rewrite_code      = "function handler(event) { return event.request; }"
}

run "tags" {
  assert {
    condition     = output.invalidates_by == "tags"
    error_message = "This is the folder with tags."
  }

  assert {
    condition     = endswith(aws_lambda_function.worker["purge"].environment[0].variables["AFTERIMAGE_CDN"], " by=auto")
    error_message = "The purge function looks which header the distribution reads."
  }

  assert {
    condition     = aws_cloudfront_distribution.edge.cache_tag_config[0].header_name == local.tag_header
    error_message = "The distribution reads tags where the functions write them."
  }

  assert {
    condition     = aws_lambda_permission.edge_function.invoked_via_function_url
    error_message = "CloudFront may call the function by way of its URL alone."
  }
}

run "tags_of_copies" {
  variables {
    mode = "cheap"
  }

  assert {
    condition     = output.invalidates_by == "tags" && local.tag_header == "x-amz-meta-cache-tag"
    error_message = "What a bucket says and what the function answers carry tags in one header."
  }

  assert {
    condition     = endswith(aws_lambda_function.worker["purge"].environment[0].variables["AFTERIMAGE_CDN"], " by=auto")
    error_message = "The purge function looks which header the distribution reads."
  }
}
