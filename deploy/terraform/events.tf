# What happens to originals, on its way to the purge function.
#
#   bucket of ours        notification ─▶ queue ─▶ function        (event_path "sqs")
#                         notification ──────────▶ function        ("lambda")
#   existing bucket       EventBridge rule ─▶ queue or function    its notifications are one setting of the whole bucket, which
#                                                                  belongs to its owner: another resource here would erase it

locals {
  # Lifecycle rules do not show as ObjectRemoved.
  event_names = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]
  # Six times the function's timeout is what Lambda asks of a queue, the window beside it.
  visibility_s = min(6 * var.purge_timeout_s + var.batch_window_s, 43200)
}

resource "aws_sqs_queue" "events" {
  count                      = local.queued ? 1 : 0
  name                       = "${var.name}-events"
  visibility_timeout_seconds = local.visibility_s
  message_retention_seconds  = 4 * 86400
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}

# The function's messages to itself: second sweeps, invalidations in progress.
resource "aws_sqs_queue" "later" {
  name                       = "${var.name}-later"
  visibility_timeout_seconds = local.visibility_s
  message_retention_seconds  = 4 * 86400
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}

# What could not be dealt with. It raises an alarm, and the reconciler finds what it meant.
resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = concat([aws_sqs_queue.later.arn], aws_sqs_queue.events[*].arn)
  })
}

locals {
  from_bucket = {
    Sid       = "BucketTells"
    Effect    = "Allow"
    Principal = { Service = "s3.amazonaws.com" }
    Condition = {
      ArnEquals    = { "aws:SourceArn" = local.originals_arn }
      StringEquals = { "aws:SourceAccount" = local.account }
    }
  }

  from_rule = {
    Sid       = "RuleTells"
    Effect    = "Allow"
    Principal = { Service = "events.amazonaws.com" }
    Condition = { ArnEquals = { "aws:SourceArn" = one(aws_cloudwatch_event_rule.originals[*].arn) } }
  }
}

resource "aws_sqs_queue_policy" "events" {
  count     = local.queued ? 1 : 0
  queue_url = aws_sqs_queue.events[0].url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge({ for key, value in local.from_bucket : key => value if local.own_bucket },
      { for key, value in local.from_rule : key => value if !local.own_bucket },
    { Action = "sqs:SendMessage", Resource = aws_sqs_queue.events[0].arn })]
  })
}

# What EventBridge could not hand over.
resource "aws_sqs_queue_policy" "dead" {
  count     = local.own_bucket ? 0 : 1
  queue_url = aws_sqs_queue.dead.url

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.from_rule, { Action = "sqs:SendMessage", Resource = aws_sqs_queue.dead.arn })]
  })
}

# A bucket of ours

resource "aws_s3_bucket_notification" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  dynamic "queue" {
    for_each = local.queued ? [aws_sqs_queue.events[0].arn] : []
    content {
      id            = var.name
      queue_arn     = queue.value
      events        = local.event_names
      filter_prefix = var.originals_prefix == "" ? null : var.originals_prefix
    }
  }

  dynamic "lambda_function" {
    for_each = local.queued ? [] : [aws_lambda_function.worker["purge"].arn]
    content {
      id                  = var.name
      lambda_function_arn = lambda_function.value
      events              = local.event_names
      filter_prefix       = var.originals_prefix == "" ? null : var.originals_prefix
    }
  }

  # S3 sends a test before it believes a notification.
  depends_on = [aws_sqs_queue_policy.events, aws_lambda_permission.bucket]
}

resource "aws_lambda_permission" "bucket" {
  count          = local.own_bucket && !local.queued ? 1 : 0
  statement_id   = "BucketTells"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.worker["purge"].function_name
  principal      = "s3.amazonaws.com"
  source_arn     = local.originals_arn
  source_account = local.account
}

# An existing bucket

resource "aws_cloudwatch_event_rule" "originals" {
  count       = local.own_bucket ? 0 : 1
  name        = "${var.name}-originals"
  description = "Originals of ${local.originals} that came, changed or went"
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    account     = [local.account]
    detail-type = ["Object Created", "Object Deleted"] # lifecycle expiration is a reason of the latter
    detail = merge(
      { bucket = { name = [local.originals] } },
      var.originals_prefix == "" ? {} : { object = { key = [{ prefix = var.originals_prefix }] } },
    )
  })
}

resource "aws_cloudwatch_event_target" "originals" {
  count     = local.own_bucket ? 0 : 1
  rule      = aws_cloudwatch_event_rule.originals[0].name
  target_id = var.name
  arn       = local.queued ? aws_sqs_queue.events[0].arn : aws_lambda_function.worker["purge"].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }

  depends_on = [aws_sqs_queue_policy.events, aws_sqs_queue_policy.dead]
}

resource "aws_lambda_permission" "rule" {
  count         = !local.own_bucket && !local.queued ? 1 : 0
  statement_id  = "RuleTells"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.worker["purge"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.originals[0].arn
}

# Into the function

resource "aws_lambda_event_source_mapping" "events" {
  count                              = local.queued ? 1 : 0
  event_source_arn                   = aws_sqs_queue.events[0].arn
  function_name                      = aws_lambda_function.worker["purge"].arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_s
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = var.tags

  # CloudFront takes few calls at once; more functions would only wait for each other.
  scaling_config {
    maximum_concurrency = 5
  }

  depends_on = [aws_iam_role_policy.worker]
}

resource "aws_lambda_event_source_mapping" "later" {
  event_source_arn        = aws_sqs_queue.later.arn
  function_name           = aws_lambda_function.worker["purge"].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = 5
  }

  depends_on = [aws_iam_role_policy.worker]
}

# Calls that nobody waits for (events by event_path "lambda", the schedule): tried three times, then laid aside.
resource "aws_lambda_function_event_invoke_config" "worker" {
  for_each                     = aws_lambda_function.worker
  function_name                = each.value.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead.arn
    }
  }

  depends_on = [aws_iam_role_policy.worker]
}
