# Two buckets. Originals are only ever read; what is made of them lies apart, so nothing that is deleted there says anything about
# an original.

resource "aws_s3_bucket" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = local.originals
  tags   = var.tags
}

resource "aws_s3_bucket" "derivatives" {
  bucket        = local.derivatives
  force_destroy = var.derivatives_force_destroy
  tags          = var.tags

  lifecycle {
    precondition {
      condition     = var.existing_bucket != local.derivatives
      error_message = "existing_bucket is what the bucket of derivatives will be called: originals and derivatives lie apart. Choose another name."
    }
  }
}

locals {
  # By what they are called here; the originals' bucket is in it only where it is ours.
  own_buckets = merge(
    { derivatives = aws_s3_bucket.derivatives.id },
    local.own_bucket ? { originals = aws_s3_bucket.originals[0].id } : {},
  )
}

resource "aws_s3_bucket_public_access_block" "own" {
  for_each                = local.own_buckets
  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "own" {
  for_each = local.own_buckets
  bucket   = each.value

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# No versioning: a new bucket has none, and a receipt that says "clean" would otherwise have to delete every version. The function
# looks at the bucket when it starts and deletes by version, or refuses, where somebody switched it on.
resource "aws_s3_bucket_lifecycle_configuration" "derivatives" {
  bucket = aws_s3_bucket.derivatives.id

  # The records of purges, receipts among them, lie below "-/" in front of this prefix: they stay. There are receipts.kept_max at most.
  rule {
    id     = "derivatives"
    status = "Enabled"

    filter {
      prefix = local.derivatives_path
    }

    expiration {
      days = var.derivatives_days
    }
  }

  rule {
    id     = "uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

locals {
  bucket_arns = { originals = local.originals_arn, derivatives = local.derivatives_arn }
  # What CloudFront itself may read, in cheap mode.
  read_by_edge = {
    originals   = "${local.originals_arn}/${var.originals_prefix}*"
    derivatives = "${local.derivatives_arn}/${local.derivatives_path}*"
  }

  statements_edge = local.cheap ? {
    for which, objects in local.read_by_edge : which => concat([{
      Sid       = "CloudFrontReads"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = objects
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.edge.arn } }
      }], which == "originals" ? [] : [{
      Sid       = "RecordsStayHere"
      Effect    = "Deny"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = "${local.derivatives_arn}/-/*"
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.edge.arn } }
    }])
  } : {}
}

resource "aws_s3_bucket_policy" "own" {
  for_each = local.own_buckets
  bucket   = each.value

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arns[each.key], "${local.bucket_arns[each.key]}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }], [for statement in try(local.statements_edge[each.key], []) : statement])
  })

  # S3 refuses two changes of one bucket at once.
  depends_on = [aws_s3_bucket_public_access_block.own]
}
