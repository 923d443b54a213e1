# Mistakes, each refused by the variable that it is made in. A run makes one for each of many variables: all of them have to fail.

mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  package_directory = "tests/packages"
  rewrite_code      = "function handler(event) { return event.request; }"
}

run "at_the_bounds" {
  command = plan

  variables {
    name               = "a234567890123456789012345678x" # 29
    rewrite_code       = "function handler(event) { return event.request; }${format("%010191d", 0)}"
    settings           = { "presets" = format("%02981d", 0) } # and its name, and 12
    render_memory_mb   = 512
    render_timeout_s   = 55
    purge_timeout_s    = 900
    batch_window_s     = 1
    batch_size         = 10000
    derivatives_days   = 1
    cache_ttl_max_s    = 1
    event_age_alarm_s  = 60
    log_retention_days = 1
    signing_keys       = { "A_z-9" = "imgix-md5 secret" }
  }

  assert {
    condition     = aws_sqs_queue.later.visibility_timeout_seconds == 6 * 900 + 1
    error_message = "The queue hides its messages for six times the function's timeout, and the window."
  }
}

run "mistakes" {
  command = plan

  variables {
    name               = "a2345678901234567890123456789x"
    mode               = "fast"
    event_path         = "sns"
    existing_bucket    = "s3://pictures"
    originals_prefix   = "photos"
    architecture       = "amd64"
    rewrite_code       = "export default {}"
    signing_keys       = { one = "md5 secret" }
    settings           = { AFTERIMAGE_HTTP_BROWSER_AGE = "5m" }
    render_memory_mb   = 511
    render_timeout_s   = 56
    purge_timeout_s    = 901
    batch_window_s     = 0
    batch_size         = 10001
    reconcile_schedule = "daily"
    cache_ttl_max_s    = 0
    derivatives_days   = 0
    aliases            = ["img.example.com"] # without a certificate
    price_class        = "cheapest"
    access_log_bucket  = "logs"
    log_retention_days = 31
    event_age_alarm_s  = 59
  }

  expect_failures = [
    var.name, var.mode, var.event_path, var.existing_bucket, var.originals_prefix, var.architecture, var.rewrite_code,
    var.signing_keys, var.settings, var.render_memory_mb, var.render_timeout_s, var.purge_timeout_s, var.batch_window_s,
    var.batch_size, var.reconcile_schedule, var.cache_ttl_max_s, var.derivatives_days, var.certificate_arn, var.price_class,
    var.access_log_bucket, var.log_retention_days, var.event_age_alarm_s,
  ]
}

run "other_mistakes" {
  command = plan

  variables {
    name             = "Pictures"
    originals_prefix = "/photos/"
    rewrite_code     = "function handler(event) { return event.request; }${format("%010192d", 0)}"
    signing_keys     = { one = "secret" }
    settings         = { "purge.fill_timeout" = "1m" } # the module's own
    aliases          = ["img.example.com"]
    certificate_arn  = "arn:aws:acm:eu-central-1:111122223333:certificate/0"
    render_timeout_s = 4
    batch_window_s   = 301
  }

  expect_failures = [
    var.name, var.originals_prefix, var.rewrite_code, var.signing_keys, var.settings, var.certificate_arn, var.render_timeout_s,
    var.batch_window_s,
  ]
}

run "settings_of_a_server" {
  command = plan

  variables {
    settings         = { "admin.listen" = "0.0.0.0:8081" }
    originals_prefix = "my photos/" # it would need encoding in a filter
  }

  expect_failures = [var.settings, var.originals_prefix]
}

run "settings_too_long" {
  command = plan

  variables {
    settings = { "presets" = format("%02982d", 0) }
  }

  expect_failures = [var.settings]
}

run "originals_where_derivatives_will_be" {
  command = plan

  variables {
    existing_bucket = "afterimage-derivatives-111122223333"
  }

  expect_failures = [aws_s3_bucket.derivatives]
}

run "shield_where_there_is_none" {
  command = plan

  variables {
    origin_shield_region = "eu-north-1"
  }

  expect_failures = [aws_cloudfront_distribution.edge]
}
