data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Neither .name (5.x) nor .region (6.x) is in both.
  region = data.aws_region.current.id

  cheap       = var.mode == "cheap"
  queued      = var.event_path == "sqs"
  own_bucket  = var.existing_bucket == null
  by_tags     = false # tags/ says true: provider 5.x cannot give a distribution a tag header.
  originals   = local.own_bucket ? "${var.name}-originals-${local.account}" : var.existing_bucket
  derivatives = "${var.name}-derivatives-${local.account}"

  # Known before anything is made, so that a plan shows them, and so that what names each other does not wait for each other.
  originals_arn    = "arn:${local.partition}:s3:::${local.originals}"
  derivatives_arn  = "arn:${local.partition}:s3:::${local.derivatives}"
  derivatives_path = "derivatives/"

  names = { for name in ["render", "purge", "reconcile"] : name => "${var.name}-${name}" }

  settings_common = merge({
    "source.url"         = "s3://${local.originals}/${var.originals_prefix}"
    "derivatives.url"    = "s3://${local.derivatives}/${local.derivatives_path}"
    "http.shared_age"    = "${var.cache_ttl_max_s}s"
    "purge.fill_timeout" = "${var.render_timeout_s}s"
    "log.format"         = "json"
  }, var.config_in_packages ? { config = "afterimage.toml" } : {})

  settings_render = merge({
    # Nobody but this distribution reaches the function, and the rewriting at the edge has checked policy and signature.
    "server.trust"   = "canonical"
    "render.timeout" = "${var.render_timeout_s - 2}s"
    # What a viewer's request finds gone and no event told.
    "lambda.later_queue" = aws_sqs_queue.later.url
    # CloudFront asks the bucket by canonical path, so there has to be something under it.
  }, local.cheap ? { "derivatives.copies" = "true" } : {})

  # The rewriting at the edge leads every spelling to one canonical path, so paths are exact where there are no tags. Where the tag
  # header is a bucket's, bare originals are named by path beside the tag: their owner gave them none.
  settings_workers = {
    "lambda.later_queue" = aws_sqs_queue.later.url
    "cdn"                = "name=cloudfront kind=cloudfront distribution=${aws_cloudfront_distribution.edge.id} by=${local.by_tags ? "auto" : "paths"}"
  }

  # The names of all of the above. They cannot be computed: what they are made of depends on var.settings by way of the functions.
  settings_of_module = [
    "config", "source.url", "derivatives.url", "http.shared_age", "purge.fill_timeout", "log.format",
    "lambda.later_queue", "server.trust", "render.timeout", "derivatives.copies", "cdn",
  ]
  groups_without_server = ["server", "admin", "watch", "events", "invalidation", "pass"]
}
