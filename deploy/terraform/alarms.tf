locals {
  alarms = merge({
    dead-letters = {
      says       = "Events or sweeps could not be dealt with; their messages lie in the queue ${aws_sqs_queue.dead.name}."
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum"
      dimensions = { QueueName = aws_sqs_queue.dead.name }
      above      = 0
    }
    purge-errors = {
      says       = "The purge function fails; what it was told comes again."
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum"
      dimensions = { FunctionName = local.names.purge }
      above      = 0
    }
    purge-throttles = {
      says       = "The purge function is not let run; deletions are late. Look at the account's concurrency."
      namespace  = "AWS/Lambda", metric = "Throttles", statistic = "Sum"
      dimensions = { FunctionName = local.names.purge }
      above      = 0
    }
    later-age = {
      says       = "Second sweeps wait."
      namespace  = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", statistic = "Maximum"
      dimensions = { QueueName = aws_sqs_queue.later.name }
      # Messages wait for their time there, fifteen minutes at most.
      above = 900 + var.event_age_alarm_s
    }
    render-5xx = {
      says       = "The render function answers with 5xx: viewers see errors for what CloudFront does not hold."
      namespace  = "AWS/Lambda", metric = "Url5xxCount", statistic = "Sum"
      dimensions = { FunctionName = local.names.render }
      above      = 5
    }
    render-throttles = {
      says       = "The render function is not let run; viewers see errors. Look at the account's concurrency."
      namespace  = "AWS/Lambda", metric = "Throttles", statistic = "Sum"
      dimensions = { FunctionName = local.names.render }
      above      = 0
    }
    reconcile-errors = {
      says       = "The reconcile function fails; what lost events left behind stays."
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum"
      dimensions = { FunctionName = local.names.reconcile }
      above      = 0
    }
    }, local.queued ? {
    events-age = {
      says       = "Events wait; deletions are late."
      namespace  = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", statistic = "Maximum"
      dimensions = { QueueName = aws_sqs_queue.events[0].name }
      above      = var.event_age_alarm_s
    }
  } : {})
}

resource "aws_cloudwatch_metric_alarm" "too_much" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "reconcile_idle" {
  alarm_name          = "${var.name}-reconcile-idle"
  alarm_description   = "The reconcile function did not run for two days: what lost events left behind stays."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = local.names.reconcile }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = var.tags
}
