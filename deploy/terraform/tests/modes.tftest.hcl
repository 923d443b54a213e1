# Every combination, made of the provider's real schema and no account. What must hold of all of them is asserted in
# tests/terraform/test_module.py, which reads what these runs made; here is what differs.

mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  package_directory = "tests/packages"
  rewrite_code      = "function handler(event) { return event.request; }"
  settings          = { "http.browser_age" = "5m" }
  aliases           = ["img.example.com"]
  certificate_arn   = "arn:aws:acm:us-east-1:111122223333:certificate/0"
}

# Of several of a kind, each has to be told from the others.

override_resource {
  target = aws_sqs_queue.events[0]
  values = {
    arn = "arn:aws:sqs:eu-central-1:111122223333:afterimage-events"
    url = "https://sqs.eu-central-1.amazonaws.com/111122223333/afterimage-events"
  }
}

override_resource {
  target = aws_sqs_queue.later
  values = {
    arn = "arn:aws:sqs:eu-central-1:111122223333:afterimage-later"
    url = "https://sqs.eu-central-1.amazonaws.com/111122223333/afterimage-later"
  }
}

override_resource {
  target = aws_sqs_queue.dead
  values = {
    arn = "arn:aws:sqs:eu-central-1:111122223333:afterimage-dead"
    url = "https://sqs.eu-central-1.amazonaws.com/111122223333/afterimage-dead"
  }
}

override_resource {
  target = aws_lambda_function.render
  values = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:afterimage-render" }
}

override_resource {
  target = aws_cloudwatch_log_group.function["render"]
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/afterimage-render" }
}

override_resource {
  target = aws_lambda_function.worker["purge"]
  values = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:afterimage-purge" }
}

override_resource {
  target = aws_cloudwatch_log_group.function["purge"]
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/afterimage-purge" }
}

override_resource {
  target = aws_lambda_function.worker["reconcile"]
  values = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:afterimage-reconcile" }
}

override_resource {
  target = aws_cloudwatch_log_group.function["reconcile"]
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/afterimage-reconcile" }
}

run "strict_sqs_own" {
  assert {
    condition     = one(aws_s3_bucket_notification.originals[0].queue).queue_arn == aws_sqs_queue.events[0].arn
    error_message = "The bucket tells the queue."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.originals) == 0 && output.existing_bucket_needs == null
    error_message = "A bucket of ours needs neither EventBridge nor its owner."
  }

  assert {
    condition     = aws_cloudfront_distribution.edge.default_cache_behavior[0].target_origin_id == "render"
    error_message = "Strict: the function is the one origin."
  }

  assert {
    condition = (
      aws_lambda_function.render.environment[0].variables["AFTERIMAGE_LAMBDA_LATER_QUEUE"] == aws_sqs_queue.later.url &&
      anytrue([for statement in jsondecode(aws_iam_role_policy.render.policy).Statement :
      try(statement.Action == ["sqs:SendMessage"] && statement.Resource == aws_sqs_queue.later.arn, false)])
    )
    error_message = "What a request finds gone is said to the purge function, and may be."
  }
}

run "strict_lambda_own" {
  variables {
    event_path       = "lambda"
    originals_prefix = "photos/"
  }

  assert {
    condition     = one(aws_s3_bucket_notification.originals[0].lambda_function).lambda_function_arn == aws_lambda_function.worker["purge"].arn
    error_message = "The bucket tells the function."
  }

  assert {
    condition     = length(aws_sqs_queue.events) == 0 && length(aws_lambda_event_source_mapping.events) == 0
    error_message = "There is no queue for events where there is none on their way."
  }
}

run "strict_sqs_existing" {
  variables {
    existing_bucket  = "pictures"
    originals_prefix = "photos/"
  }

  assert {
    condition     = aws_cloudwatch_event_target.originals[0].arn == aws_sqs_queue.events[0].arn
    error_message = "The rule tells the queue."
  }

  assert {
    condition     = output.existing_bucket_needs.bucket_policy_statement == null
    error_message = "Strict: CloudFront does not read the bucket."
  }
}

run "strict_lambda_existing" {
  variables {
    event_path      = "lambda"
    existing_bucket = "pictures"
  }

  assert {
    condition     = aws_cloudwatch_event_target.originals[0].arn == aws_lambda_function.worker["purge"].arn
    error_message = "The rule tells the function."
  }
}

run "cheap_sqs_own" {
  variables {
    mode = "cheap"
  }

  assert {
    condition     = aws_cloudfront_distribution.edge.default_cache_behavior[0].target_origin_id == "kept-or-made"
    error_message = "Cheap: the bucket is asked first."
  }
}

run "cheap_lambda_own" {
  variables {
    mode       = "cheap"
    event_path = "lambda"
  }
}

run "cheap_sqs_existing" {
  variables {
    mode             = "cheap"
    existing_bucket  = "pictures"
    originals_prefix = "photos/"
  }

  assert {
    condition     = jsondecode(output.existing_bucket_needs.bucket_policy_statement).Resource == "arn:aws:s3:::pictures/photos/*"
    error_message = "Cheap: the owner is told what CloudFront has to be allowed."
  }
}

run "cheap_lambda_existing" {
  variables {
    mode            = "cheap"
    event_path      = "lambda"
    existing_bucket = "pictures"
  }
}

# What is optional.

run "plain" {
  variables {
    aliases            = []
    certificate_arn    = null
    origin_shield      = false
    config_in_packages = true
    access_log_bucket  = "logs.s3.amazonaws.com"
    signing_keys       = { "2026" = "hmac-sha256 0123456789abcdef" }
    alarm_topic_arns   = ["arn:aws:sns:eu-central-1:111122223333:people"]
  }

  assert {
    condition     = aws_cloudfront_distribution.edge.viewer_certificate[0].cloudfront_default_certificate == true
    error_message = "Without aliases, CloudFront's own certificate."
  }

  assert {
    condition     = alltrue([for origin in aws_cloudfront_distribution.edge.origin : length(origin.origin_shield) == 0])
    error_message = "Origin Shield was switched off."
  }

  assert {
    condition     = aws_cloudfrontkeyvaluestore_key.signing["2026"].key == "signing.2026"
    error_message = "The rewriting function looks for signing.NAME."
  }

  assert {
    condition     = aws_lambda_function.render.environment[0].variables["AFTERIMAGE_CONFIG"] == "afterimage.toml"
    error_message = "The configuration in the package is read."
  }

  assert {
    condition     = aws_cloudfront_distribution.edge.logging_config[0].bucket == "logs.s3.amazonaws.com"
    error_message = "Access logs go where they were wanted."
  }

  assert {
    condition     = one(aws_cloudwatch_metric_alarm.reconcile_idle.alarm_actions) == "arn:aws:sns:eu-central-1:111122223333:people"
    error_message = "Alarms are told."
  }
}
