locals {
  # Where Origin Shield is: a function elsewhere names its nearest.
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/origin-shield.html
  shield_regions = [
    "us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2",
    "eu-central-1", "eu-west-1", "eu-west-2", "sa-east-1", "me-central-1",
  ]
  shield_region = coalesce(var.origin_shield_region, local.region)
  shields       = var.origin_shield ? [local.shield_region] : []

  # The header that the distribution reads cache tags from. S3 hands metadata on as x-amz-meta-*.
  tag_header = local.cheap ? "x-amz-meta-cache-tag" : "cache-tag"

  # What is for the edge alone. Ten are the most that a policy takes away.
  headers_removed = concat(["cache-tag"], local.cheap ? [
    "x-amz-meta-cache-tag", "x-amz-meta-original", "x-amz-meta-source", "x-amz-meta-version", "x-amz-meta-revision",
    "x-amz-meta-sha256", "x-amz-meta-facts", "x-amz-server-side-encryption", "x-amz-expiration",
  ] : [])

  # What the function says of a picture for pages of others, and a bucket does not. A file of settings in the packages is not seen
  # here: what it says otherwise of http has to be said in var.settings as well.
  cors_origins = [for origin in split(",", lookup(var.settings, "http.cors_origins", "*")) : trimspace(origin) if trimspace(origin) != ""]
  headers_added = { for header, value in {
    "Cross-Origin-Resource-Policy" = lookup(var.settings, "http.cross_origin_resource_policy", "cross-origin")
    "Timing-Allow-Origin"          = lookup(var.settings, "http.timing_allow_origin", "*")
  } : header => value if local.cheap && value != "" }

  # Errors are never kept longer than their own headers say: a second for those that say nothing, instead of ten.
  error_codes = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
}

resource "aws_cloudfront_key_value_store" "signing" {
  name    = "${var.name}-signing"
  comment = "Keys that the rewriting function checks signatures with: signing.NAME is SCHEME SECRET"
}

resource "aws_cloudfrontkeyvaluestore_key" "signing" {
  for_each            = toset(nonsensitive(keys(var.signing_keys)))
  key_value_store_arn = aws_cloudfront_key_value_store.signing.arn
  key                 = "signing.${each.key}"
  value               = var.signing_keys[each.key]
}

resource "aws_cloudfront_function" "rewrite" {
  name                         = "${var.name}-rewrite"
  comment                      = "Every spelling of a picture to its one path; signatures and policy"
  runtime                      = "cloudfront-js-2.0"
  publish                      = true
  code                         = var.rewrite_code
  key_value_store_associations = [aws_cloudfront_key_value_store.signing.arn]
}

resource "aws_cloudfront_origin_access_control" "render" {
  name                              = "${var.name}-render"
  description                       = "Only this distribution may call the render function"
  origin_access_control_origin_type = "lambda"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_origin_access_control" "buckets" {
  count                             = local.cheap ? 1 : 0
  name                              = "${var.name}-buckets"
  description                       = "Only this distribution may read the buckets"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_cache_policy" "pictures" {
  name        = "${var.name}-pictures"
  comment     = "The path says everything"
  min_ttl     = 0 # anything above would keep what says no-store
  default_ttl = var.cache_ttl_max_s
  max_ttl     = var.cache_ttl_max_s

  parameters_in_cache_key_and_forwarded_to_origin {
    # Pictures are compressed already.
    enable_accept_encoding_gzip   = false
    enable_accept_encoding_brotli = false

    query_strings_config {
      query_string_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    cookies_config {
      cookie_behavior = "none"
    }
  }
}

resource "aws_cloudfront_response_headers_policy" "pictures" {
  name    = "${var.name}-pictures"
  comment = "Takes away what is for the edge alone"

  remove_headers_config {
    dynamic "items" {
      for_each = local.headers_removed
      content {
        header = items.value
      }
    }
  }

  dynamic "security_headers_config" {
    for_each = local.cheap ? [1] : []
    content {
      content_type_options {
        override = true
      }
    }
  }

  dynamic "cors_config" {
    for_each = local.cheap && length(local.cors_origins) > 0 ? [1] : []
    content {
      origin_override                  = false
      access_control_allow_credentials = false

      access_control_allow_origins {
        items = local.cors_origins
      }

      access_control_allow_methods {
        items = ["GET", "HEAD", "OPTIONS"]
      }

      access_control_allow_headers {
        items = ["*"]
      }
    }
  }

  dynamic "custom_headers_config" {
    for_each = length(local.headers_added) > 0 ? [1] : []
    content {
      dynamic "items" {
        for_each = local.headers_added
        content {
          header   = items.key
          value    = items.value
          override = false
        }
      }
    }
  }
}

resource "aws_cloudfront_distribution" "edge" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.aliases
  web_acl_id      = var.web_acl_arn
  tags            = var.tags

  origin {
    origin_id                = "render"
    domain_name              = trimsuffix(trimprefix(aws_lambda_function_url.render.function_url, "https://"), "/")
    origin_access_control_id = aws_cloudfront_origin_access_control.render.id

    custom_origin_config {
      http_port                = 80
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_read_timeout      = min(var.render_timeout_s + 5, 60)
      origin_keepalive_timeout = 60
    }

    dynamic "origin_shield" {
      for_each = local.shields
      content {
        enabled              = true
        origin_shield_region = origin_shield.value
      }
    }
  }

  # The rewriting function sends what needs no making to the origin "originals", by that name.
  dynamic "origin" {
    for_each = local.cheap ? {
      derivatives = { bucket = local.derivatives, path = "/${trimsuffix(local.derivatives_path, "/")}" }
      originals   = { bucket = local.originals, path = var.originals_prefix == "" ? "" : "/${trimsuffix(var.originals_prefix, "/")}" }
    } : {}

    content {
      origin_id                = origin.key
      domain_name              = "${origin.value.bucket}.s3.${local.region}.amazonaws.com"
      origin_path              = origin.value.path
      origin_access_control_id = aws_cloudfront_origin_access_control.buckets[0].id

      dynamic "origin_shield" {
        for_each = local.shields
        content {
          enabled              = true
          origin_shield_region = origin_shield.value
        }
      }
    }
  }

  # A bucket says 403 of what is not there to those who may not list it.
  dynamic "origin_group" {
    for_each = local.cheap ? [1] : []
    content {
      origin_id = "kept-or-made"

      failover_criteria {
        status_codes = [403, 404]
      }

      member {
        origin_id = "derivatives"
      }

      member {
        origin_id = "render"
      }
    }
  }

  default_cache_behavior {
    target_origin_id       = local.cheap ? "kept-or-made" : "render"
    viewer_protocol_policy = "redirect-to-https"
    # Failover knows only these.
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = false
    cache_policy_id            = aws_cloudfront_cache_policy.pictures.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.pictures.id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.rewrite.arn
    }
  }

  dynamic "custom_error_response" {
    for_each = local.error_codes
    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 1
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = length(var.aliases) == 0
    acm_certificate_arn            = var.certificate_arn
    ssl_support_method             = length(var.aliases) == 0 ? null : "sni-only"
    # CloudFront's own certificate comes with its own minimum.
    minimum_protocol_version = length(var.aliases) == 0 ? null : "TLSv1.2_2021"
  }

  dynamic "logging_config" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]
    content {
      bucket          = logging_config.value
      prefix          = "${var.name}/"
      include_cookies = false
    }
  }

  lifecycle {
    precondition {
      condition     = !var.origin_shield || contains(local.shield_regions, local.shield_region)
      error_message = "There is no Origin Shield in ${local.shield_region}: name the nearest region that has one with origin_shield_region (${join(", ", local.shield_regions)}), or set origin_shield = false."
    }
  }
}
