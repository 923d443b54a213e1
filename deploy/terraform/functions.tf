resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.names
  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

# Reached by nobody but CloudFront: see the permissions below.
resource "aws_lambda_function" "render" {
  function_name    = local.names.render
  description      = "Makes pictures, keeps them, and sends them on as they are made"
  role             = aws_iam_role.function["render"].arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = "${var.package_directory}/render.zip"
  source_code_hash = filebase64sha256("${var.package_directory}/render.zip")
  memory_size      = var.render_memory_mb
  timeout          = var.render_timeout_s
  tags             = var.tags

  environment {
    variables = {
      for setting, value in merge(var.settings, local.settings_common, local.settings_render) :
      "AFTERIMAGE_${upper(replace(setting, ".", "_"))}" => value
    }
  }

  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.render]
}

resource "aws_lambda_function_url" "render" {
  function_name      = aws_lambda_function.render.function_name
  authorization_type = "AWS_IAM"
  invoke_mode        = "RESPONSE_STREAM"
}

# Since October 2025 a function URL wants both, else it answers 403 and logs nothing:
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-lambda.html
# A distribution's ARN names its account. No source_account beside it: nothing says that CloudFront sends one, and a condition on what is
# not sent refuses everything.
resource "aws_lambda_permission" "edge_url" {
  statement_id           = "EdgeCallsUrl"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.render.function_name
  principal              = "cloudfront.amazonaws.com"
  source_arn             = aws_cloudfront_distribution.edge.arn
  function_url_auth_type = "AWS_IAM"
}

# tags/ narrows this one to calls by way of the URL, which provider 5.x has no argument for.
resource "aws_lambda_permission" "edge_function" {
  statement_id  = "EdgeCallsFunction"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.render.function_name
  principal     = "cloudfront.amazonaws.com"
  source_arn    = aws_cloudfront_distribution.edge.arn
}

locals {
  workers = {
    purge     = { does = "Takes back what was made of originals that went or changed", timeout_s = var.purge_timeout_s }
    reconcile = { does = "Compares what was made with the originals", timeout_s = 900 }
  }
}

resource "aws_lambda_function" "worker" {
  for_each         = local.workers
  function_name    = local.names[each.key]
  description      = each.value.does
  role             = aws_iam_role.function[each.key].arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = "${var.package_directory}/${each.key}.zip"
  source_code_hash = filebase64sha256("${var.package_directory}/${each.key}.zip")
  memory_size      = 512
  timeout          = each.value.timeout_s
  tags             = var.tags

  environment {
    variables = {
      for setting, value in merge(var.settings, local.settings_common, local.settings_workers) :
      "AFTERIMAGE_${upper(replace(setting, ".", "_"))}" => value
    }
  }

  depends_on = [aws_cloudwatch_log_group.function]
}

# The schedule

resource "aws_iam_role" "schedule" {
  name        = "${var.name}-schedule"
  description = "Calls the reconcile function of ${var.name}"
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "schedule"
  role = aws_iam_role.schedule.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.worker["reconcile"].arn },
      local.statement_dead,
    ]
  })
}

resource "aws_scheduler_schedule" "reconcile" {
  name                = local.names.reconcile
  description         = "Compares what ${var.name} made with the originals"
  schedule_expression = var.reconcile_schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.worker["reconcile"].arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({})

    dead_letter_config {
      arn = aws_sqs_queue.dead.arn
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}
