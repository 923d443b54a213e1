output "url" {
  description = "Where pictures are: URL/KEY?w=400"
  value       = "https://${length(var.aliases) > 0 ? var.aliases[0] : aws_cloudfront_distribution.edge.domain_name}"
}

output "distribution_id" {
  value = aws_cloudfront_distribution.edge.id
}

output "distribution_domain" {
  description = "What a CNAME or ALIAS of an alias leads to."
  value       = aws_cloudfront_distribution.edge.domain_name
}

output "originals_bucket" {
  value = local.originals
}

output "derivatives_bucket" {
  value = aws_s3_bucket.derivatives.id
}

output "dead_letter_queue" {
  value = aws_sqs_queue.dead.url
}

output "functions" {
  description = "The functions' names, by what they do."
  value       = local.names
}

output "signing_store_arn" {
  description = "The key value store that signing keys are items of: signing.NAME is SCHEME SECRET."
  value       = aws_cloudfront_key_value_store.signing.arn
}

output "invalidates_by" {
  description = "tags: one item for each original, in cheap mode two. paths: two, one of them a wildcard, of which CloudFront takes fifteen at once."
  value       = local.by_tags ? "tags" : "paths"
}

output "existing_bucket_needs" {
  description = "What the owner of an existing bucket has to do. Nothing where the bucket is ours."

  value = local.own_bucket ? null : {
    eventbridge = "Switch EventBridge on, beside the notifications that are there: in the console under Properties, Amazon EventBridge, On; in Terraform as eventbridge = true of the bucket's one aws_s3_bucket_notification; or with the commands of docs/operating/aws.md."
    # Only in cheap mode CloudFront reads the bucket itself.
    bucket_policy_statement = try(jsonencode(local.statements_edge["originals"][0]), null)
  }
}
