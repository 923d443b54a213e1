# A role for each function, with what that function does and nothing else. No statement says "*" of resources.

resource "aws_iam_role" "function" {
  for_each    = local.names
  name        = each.value
  description = "What the ${each.key} function of ${var.name} may do"
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

locals {
  statement_logs = {
    for name, _ in local.names : name => {
      Sid      = "OwnLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.function[name].arn}:*"
    }
  }

  # Listing is what tells a lost original from a forbidden one; a condition on the prefix would refuse the question about a lost one.
  statements_originals = [
    { Sid = "OriginalsList", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketVersioning"], Resource = local.originals_arn },
    { Sid = "OriginalsRead", Effect = "Allow", Action = ["s3:GetObject"], Resource = "${local.originals_arn}/${var.originals_prefix}*" },
    # Whatever else is allowed, here or elsewhere.
    {
      Sid      = "OriginalsNeverChange"
      Effect   = "Deny"
      Action   = ["s3:Delete*", "s3:Put*", "s3:Replicate*", "s3:RestoreObject", "s3:AbortMultipartUpload", "s3:BypassGovernanceRetention"]
      Resource = [local.originals_arn, "${local.originals_arn}/*"]
    },
  ]

  statements_derivatives = [
    {
      Sid      = "DerivativesList"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"]
      Resource = local.derivatives_arn
    },
    {
      Sid      = "DerivativesKeep"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource = "${local.derivatives_arn}/*"
    },
  ]

  statement_invalidate = {
    Sid      = "InvalidateThisOne"
    Effect   = "Allow"
    Action   = ["cloudfront:CreateInvalidation", "cloudfront:GetInvalidation", "cloudfront:ListInvalidations", "cloudfront:GetDistributionConfig"]
    Resource = aws_cloudfront_distribution.edge.arn
  }

  statement_later = { Sid = "SayLater", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = aws_sqs_queue.later.arn }
  statement_dead  = { Sid = "LayAside", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = aws_sqs_queue.dead.arn }

  statement_receive = {
    Sid      = "OwnQueues"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    Resource = concat([aws_sqs_queue.later.arn], aws_sqs_queue.events[*].arn)
  }

  statements_worker = concat(local.statements_originals, local.statements_derivatives,
  [local.statement_invalidate, local.statement_later, local.statement_dead])
}

# Reads, makes, keeps, takes back what it kept of an original that changed meanwhile, and says what it found gone. It invalidates nothing.
resource "aws_iam_role_policy" "render" {
  name = "render"
  role = aws_iam_role.function["render"].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.statement_logs["render"]], local.statements_originals, local.statements_derivatives, [local.statement_later])
  })
}

resource "aws_iam_role_policy" "worker" {
  for_each = toset(["purge", "reconcile"])
  name     = each.key
  role     = aws_iam_role.function[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([local.statement_logs[each.key]], local.statements_worker,
    [for statement in [local.statement_receive] : statement if each.key == "purge"])
  })
}
