variable "name" {
  description = "What everything is called, and begins with. Two set-ups of one account need two names."
  type        = string
  default     = "afterimage"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,27}[a-z0-9]$", var.name))
    error_message = "name: 2 to 29 of a-z, 0-9 and -, beginning with a letter and not ending with -; it is part of bucket names."
  }
}

variable "mode" {
  description = "strict: every miss of CloudFront asks the render function, which asks the bucket. cheap: CloudFront reads finished pictures from their bucket itself, and asks the function only where there is none; a weaker promise. See docs/operating/aws.md."
  type        = string
  default     = "strict"

  validation {
    condition     = contains(["strict", "cheap"], var.mode)
    error_message = "mode is \"strict\" or \"cheap\"."
  }
}

variable "event_path" {
  description = "How the purge function hears of originals. sqs: through a queue, in batches. lambda: directly, a little sooner, one call for each object."
  type        = string
  default     = "sqs"

  validation {
    condition     = contains(["sqs", "lambda"], var.event_path)
    error_message = "event_path is \"sqs\" or \"lambda\"."
  }
}

# Originals

variable "existing_bucket" {
  description = "The bucket that holds the originals already. Nothing of it is changed: its owner switches EventBridge on (output existing_bucket_needs). Unset makes a bucket."
  type        = string
  default     = null

  validation {
    condition     = var.existing_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.existing_bucket))
    error_message = "existing_bucket is the name of a bucket: no s3://, no ARN, no prefix (that is originals_prefix)."
  }
}

variable "originals_prefix" {
  description = "Originals are below this prefix, with a slash at its end: \"photos/\". Empty is the whole bucket."
  type        = string
  default     = ""

  validation {
    # Characters that need no encoding in a notification's filter.
    condition     = can(regex("^([A-Za-z0-9_.-]+/)*$", var.originals_prefix))
    error_message = "originals_prefix is empty or folders of A-Z a-z 0-9 _ . - with a slash behind each, none before: \"photos/\"."
  }
}

# Derivatives

variable "derivatives_days" {
  description = "After how many days a finished picture expires, asked for or not. What is gone is made again. This bounds the bucket. Receipts stay."
  type        = number
  default     = 90

  validation {
    condition     = var.derivatives_days >= 1 && floor(var.derivatives_days) == var.derivatives_days
    error_message = "derivatives_days is a whole number of days, at least 1."
  }
}

variable "derivatives_force_destroy" {
  description = "Whether terraform destroy may delete the bucket of derivatives with all that is in it, journal and receipts included."
  type        = bool
  default     = false
}

# Code

variable "package_directory" {
  description = "Where render.zip, purge.zip and reconcile.zip are, as make lambda leaves them: dist/lambda."
  type        = string
}

variable "architecture" {
  description = "What the packages were built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is \"x86_64\" or \"arm64\", as the packages were built."
  }
}

variable "rewrite_code" {
  description = "The code of the CloudFront Function: file(\"dist/lambda/rewrite.js\"), as make lambda or afterimage cloudfront-function prints it."
  type        = string

  validation {
    # Four characters of base64 are three bytes, less one for each = at the end.
    condition = strcontains(var.rewrite_code, "function handler(") && (
      length(replace(base64encode(var.rewrite_code), "=", "")) - length(base64encode(var.rewrite_code)) / 4 <= 10240
    )
    error_message = "rewrite_code is JavaScript with a function handler, at most 10,240 bytes: CloudFront takes no more."
  }
}

variable "signing_keys" {
  description = "Keys that verify signatures, for the key value store: a name and \"SCHEME SECRET\" each. They are in Terraform's state then; docs/operating/aws.md says how to keep them out of it."
  type        = map(string)
  default     = {}
  sensitive   = true

  validation {
    condition     = alltrue([for name, value in var.signing_keys : can(regex("^[A-Za-z0-9_-]{1,64}$", name)) && can(regex("^(hmac-sha256|imgix-md5) [^\\s]+$", value))])
    error_message = "signing_keys: names of 1 to 64 of A-Z a-z 0-9 - _, values \"SCHEME SECRET\" with one space between; the scheme is hmac-sha256 or imgix-md5."
  }
}

variable "config_in_packages" {
  description = "Whether the packages hold a configuration, afterimage.toml (make lambda CONFIG=FILE puts it there). What the module sets comes before it."
  type        = bool
  default     = false
}

variable "settings" {
  description = "Further settings of all functions by their names: { \"http.browser_age\" = \"5m\" }. See docs/reference/settings.md. What the edge decides (policy, presets, signing) must be what rewrite_code was made from."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)?$", name))])
    error_message = "settings: names as docs/reference/settings.md has them, such as \"http.browser_age\"."
  }

  validation {
    condition = length(setintersection(keys(var.settings), local.settings_of_module)) == 0
    error_message = format("settings: the module sets %s itself; use its variables.",
    join(", ", setintersection(keys(var.settings), local.settings_of_module)))
  }

  validation {
    condition     = alltrue([for name in keys(var.settings) : !contains(local.groups_without_server, split(".", name)[0])])
    error_message = "settings: ${join(", ", local.groups_without_server)} are about a server; there is none here."
  }

  validation {
    condition     = sum(concat([0], [for name, value in var.settings : length(name) + length(value) + 12])) <= 3000
    error_message = "settings: more than 3,000 bytes, and Lambda takes 4 KB of environment; put them into a configuration (config_in_packages)."
  }
}

# Sizes of functions

variable "render_memory_mb" {
  description = "Memory of the render function. 1,769 MB are one processor."
  type        = number
  default     = 1769

  validation {
    condition     = var.render_memory_mb >= 512 && var.render_memory_mb <= 10240
    error_message = "render_memory_mb is 512 to 10240: pictures are made in it."
  }
}

variable "render_timeout_s" {
  description = "The longest a picture may take, from the first question to its last byte. The second sweep of a purge waits that long. Longer than s3.total_timeout (30 s)."
  type        = number
  default     = 45

  validation {
    condition     = var.render_timeout_s >= 5 && var.render_timeout_s <= 55
    error_message = "render_timeout_s is 5 to 55: CloudFront gives an origin 60 seconds."
  }
}

variable "purge_timeout_s" {
  description = "The longest a batch of events may take. The queue hides its messages six times as long."
  type        = number
  default     = 120

  validation {
    # Six times this, and the window, must be within SQS's twelve hours; Lambda allows 900 at most anyway.
    condition     = var.purge_timeout_s >= 20 && var.purge_timeout_s <= 900
    error_message = "purge_timeout_s is 20 to 900: ten seconds of it are kept for writing down what is left."
  }
}

variable "batch_window_s" {
  description = "How long events are collected before the purge function is called. More means fewer, larger invalidations."
  type        = number
  default     = 2

  validation {
    condition     = var.batch_window_s >= 1 && var.batch_window_s <= 300
    error_message = "batch_window_s is 1 to 300; batches of more than 10 need a window."
  }
}

variable "batch_size" {
  description = "The most messages of a batch."
  type        = number
  default     = 100

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000
    error_message = "batch_size is 1 to 10000."
  }
}

variable "reconcile_schedule" {
  description = "When derivatives are compared with originals: what lost events left behind goes then. A call goes on where the last one stopped."
  type        = string
  default     = "rate(1 day)"

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.reconcile_schedule))
    error_message = "reconcile_schedule is \"rate(1 day)\" or \"cron(0 3 * * ? *)\"."
  }
}

# The edge

variable "cache_ttl_max_s" {
  description = "The longest CloudFront keeps a picture: the ceiling where an invalidation fails for good."
  type        = number
  default     = 86400

  validation {
    condition     = var.cache_ttl_max_s >= 1 && var.cache_ttl_max_s <= 31536000
    error_message = "cache_ttl_max_s is 1 to 31536000."
  }
}

variable "origin_shield_region" {
  description = "The region of Origin Shield, the nearest to the functions. Unset is their own, which must have one."
  type        = string
  default     = null
}

variable "origin_shield" {
  description = "Whether all of CloudFront asks through one place, so that a picture is made once for the world."
  type        = bool
  default     = true
}

variable "aliases" {
  description = "Names of the distribution beside its own: [\"img.example.com\"]. They need certificate_arn, and DNS of yours."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "The certificate of those names, in ACM's region us-east-1."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null ? true : can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/", var.certificate_arn))
    error_message = "certificate_arn is a certificate in us-east-1: CloudFront reads them nowhere else."
  }

  validation {
    condition     = (var.certificate_arn == null) == (length(var.aliases) == 0)
    error_message = "aliases need certificate_arn, and certificate_arn needs aliases."
  }
}

variable "price_class" {
  description = "Which of CloudFront's places serve."
  type        = string
  default     = "PriceClass_All"

  validation {
    condition     = contains(["PriceClass_All", "PriceClass_200", "PriceClass_100"], var.price_class)
    error_message = "price_class is \"PriceClass_All\", \"PriceClass_200\" or \"PriceClass_100\"."
  }
}

variable "web_acl_arn" {
  description = "A web ACL of AWS WAF for the distribution."
  type        = string
  default     = null
}

variable "access_log_bucket" {
  description = "The domain name of a bucket with ACLs that CloudFront writes access logs to: logs.s3.amazonaws.com. Unset keeps none."
  type        = string
  default     = null

  validation {
    condition     = var.access_log_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]+\\.s3[a-z0-9.-]*\\.amazonaws\\.com$", var.access_log_bucket))
    error_message = "access_log_bucket is a bucket's domain name: logs.s3.amazonaws.com."
  }
}

# Watching

variable "log_retention_days" {
  description = "How long the functions' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's steps: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, …"
  }
}

variable "alarm_topic_arns" {
  description = "Topics of SNS that alarms are told to. Without one, alarms only show."
  type        = list(string)
  default     = []
}

variable "event_age_alarm_s" {
  description = "An event that waits longer raises an alarm: deletions are late."
  type        = number
  default     = 300

  validation {
    condition     = var.event_age_alarm_s >= 60
    error_message = "event_age_alarm_s is at least 60: CloudWatch measures once a minute."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
