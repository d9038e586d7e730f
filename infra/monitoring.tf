# What is counted of the functions' logs, and who is told when: docs/operators/monitoring.md. A
# test runs the functions and holds each filter here to the lines that they write.

locals {
  from = { for key, names in {
    looks     = ["reconcile", "readiness"]
    reconcile = ["reconcile"]
    entries   = ["events", "audit"]
    admission = ["admission"]
    sweep     = ["sweep"]
  } : key => "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in names : "\"negfleet-${name}\""])})" }

  milliseconds = [50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000]

  # The name, the lines that are counted, and what tells them apart. With a value it is the
  # distribution of that.
  metrics = {
    outcomes = {
      description = "Deliveries that reconcile and readiness have answered"
      filter      = "${local.from.looks} AND jsonPayload.outcome=(\"done\" OR \"again\" OR \"blocked\")"
      labels = {
        outcome = "EXTRACT(jsonPayload.outcome)"
        reason  = "EXTRACT(jsonPayload.reason)"
        cluster = "REGEXP_EXTRACT(jsonPayload.key, \"^([^/]+)/\")"
      }
      value = null
    }
    look_age = {
      description = "From what was observed in a cluster to the end of the look at it"
      filter      = "${local.from.reconcile} AND jsonPayload.message=\"looked\" AND jsonPayload.age_ms>=0"
      labels      = { source = "EXTRACT(jsonPayload.source)" }
      value       = { of = "EXTRACT(jsonPayload.age_ms)", unit = "ms", bounds = local.milliseconds }
    }
    entry_lag = {
      description = "From a control plane's write to the publishing of its keys"
      filter      = "${local.from.entries} AND jsonPayload.message=\"published keys\" AND jsonPayload.lag_ms>=0"
      labels      = {}
      value       = { of = "EXTRACT(jsonPayload.lag_ms)", unit = "ms", bounds = local.milliseconds }
    }
    missed_injections = {
      description = "Pods that slipped past injection, as API servers say"
      filter      = "${local.from.entries} AND jsonPayload.missed_injection>=1"
      labels = {
        cluster = "EXTRACT(jsonPayload.cluster)"
        reason  = "EXTRACT(jsonPayload.reason)"
      }
      value = null
    }
    missed_reviews = {
      description = "Objects that the webhook let pass as it could not tell"
      filter      = "${local.from.admission} AND jsonPayload.message=\"missed\""
      labels = {
        cluster = "EXTRACT(jsonPayload.cluster)"
        reason  = "EXTRACT(jsonPayload.reason)"
      }
      value = null
    }
    sweeps = {
      description = "Sweeps of the whole fleet that came to their end"
      filter      = "${local.from.sweep} AND jsonPayload.message=\"swept\" AND NOT jsonPayload.cluster=~\".\""
      labels      = {}
      value       = null
    }
    sweep_failures = {
      description = "Sweeps that failed"
      filter      = "${local.from.sweep} AND severity>=ERROR"
      labels      = { reason = "EXTRACT(jsonPayload.reason)" }
      value       = null
    }
    unknown_scopes = {
      description = "Sweeps that could not read everything"
      filter      = "${local.from.sweep} AND jsonPayload.message=\"swept\" AND jsonPayload.unread>=1"
      labels      = {}
      value       = null
    }
    stale_leases = {
      description = "Leases that were not renewed, so that Pods get no gate"
      filter      = "${local.from.sweep} AND jsonPayload.reason=\"LeaseNotRenewed\""
      labels      = { cluster = "EXTRACT(jsonPayload.cluster)" }
      value       = null
    }
    ungated_namespaces = {
      description = "Namespaces in which a sweep found Pods without a gate"
      filter      = "${local.from.sweep} AND jsonPayload.reason=\"PodsWithoutGate\""
      labels      = { cluster = "EXTRACT(jsonPayload.cluster)" }
      value       = null
    }
    low_quotas = {
      description = "Quotas that a sweep found nearly used up"
      filter      = "${local.from.sweep} AND jsonPayload.reason=\"QuotaLow\""
      labels      = {}
      value       = null
    }
    quota_used = {
      description = "How much is used of the quota of which most is"
      filter      = "${local.from.sweep} AND jsonPayload.message=\"swept\" AND jsonPayload.quota_percent>=0"
      labels      = {}
      value       = { of = "EXTRACT(jsonPayload.quota_percent)", unit = "%", bounds = [10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100] }
    }
  }
}

resource "google_logging_metric" "metric" {
  for_each = { for name, metric in local.metrics : name => metric if var.monitoring }

  project          = var.project
  name             = "negfleet/${each.key}"
  description      = each.value.description
  filter           = each.value.filter
  label_extractors = each.value.labels
  value_extractor  = try(each.value.value.of, null)

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit        = try(each.value.value.unit, "1")

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value[*]
    content {
      explicit_buckets {
        bounds = bucket_options.value.bounds
      }
    }
  }

  depends_on = [google_project_service.apis]
}

locals {
  # Without a push subscription there is that of the dead letters, so that filters stay filters.
  watched = coalescelist(keys(google_pubsub_subscription.push), [google_pubsub_subscription.dead.name])

  counted = { for name, metric in google_logging_metric.metric : name => "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${metric.name}\"" }
  # readiness holds a message for as long as it follows a Pod that waits, 500 s at most.
  waits = { for name, each in {
    "A message waits"             = { of = setsubtract(local.watched, ["negfleet-gates-readiness"]), limit = var.alert_thresholds.oldest_key }
    "A message about gates waits" = { of = setintersection(local.watched, ["negfleet-gates-readiness"]), limit = var.alert_thresholds.oldest_gates }
  } : name => each if length(each.of) > 0 }
  delivered = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=one_of(${join(",", [for name in local.watched : "\"${name}\""])})"

  # above: a sum, or the highest value, over a period that is above a limit for a while. below: a
  # sum that is below it; where nothing is counted there may be a zero or no value at all.
  # when: whether there is something to tell of.
  alerts = {
    oldest-key = {
      when     = length(local.subscriptions) > 0
      title    = "Oldest unacknowledged message"
      severity = "CRITICAL"
      says     = "A message has waited longer than ${var.alert_thresholds.oldest_key} s, or one about gates longer than ${var.alert_thresholds.oldest_gates} s: looks fail, or there are too few instances."
      below    = []
      above = [for name, each in local.waits : {
        name   = name
        filter = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=one_of(${join(",", [for id in each.of : "\"${id}\""])}) AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
        align  = "ALIGN_MAX", reduce = "REDUCE_MAX", by = ["resource.label.subscription_id"]
        period = "60s", duration = "60s", limit = each.limit
      }]
    }
    dead-letters = {
      when     = true
      title    = "Dead letters"
      severity = "ERROR"
      says     = "Messages were delivered twenty times in vain and wait for a person."
      below    = []
      above = [{
        name   = "A dead letter waits"
        filter = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
        align  = "ALIGN_MAX", reduce = "REDUCE_MAX", by = []
        period = "60s", duration = "0s", limit = 0
      }]
    }
    sweep-failures = {
      when     = length(local.scheduled) > 0
      title    = "Sweep failures"
      severity = "CRITICAL"
      says     = "The sweep fails or does not run, so that nobody repairs what events missed, and nobody renews the Leases."
      below = [{
        name   = "No sweep has ended for 35 minutes"
        filter = try(local.counted["sweeps"], "")
        period = "2100s", limit = 1
      }]
      above = [
        {
          name   = "A sweep failed twice in half an hour"
          filter = try(local.counted["sweep_failures"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = []
          period = "1800s", duration = "0s", limit = 1
        },
        {
          name   = "Cloud Scheduler was answered with an error"
          filter = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id=one_of(${join(",", [for job in google_cloud_scheduler_job.job : "\"${job.name}\""])}) AND metric.type=\"logging.googleapis.com/log_entry_count\" AND metric.labels.severity=\"ERROR\""
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = []
          period = "1800s", duration = "0s", limit = 1
        },
      ]
    }
    unknown-scopes = {
      when     = length(local.scheduled) > 0
      title    = "Unknown scopes"
      severity = "WARNING"
      says     = "Two sweeps in half an hour could not read all projects and clusters; what they did not read is not judged."
      below    = []
      above = [{
        name   = "Something could not be read"
        filter = try(local.counted["unknown_scopes"], "")
        align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = []
        period = "1800s", duration = "0s", limit = 1
      }]
    }
    missed-injections = {
      when     = true
      title    = "Missed injections"
      severity = "WARNING"
      says     = "Pods were made without a readiness gate. A gate cannot be added later: roll out once more."
      below    = []
      above = [
        {
          name   = "An API server went on without the webhook"
          filter = try(local.counted["missed_injections"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster", "metric.label.reason"]
          period = "600s", duration = "0s", limit = var.alert_thresholds.missed_injections
        },
        {
          name   = "The webhook could not tell"
          filter = try(local.counted["missed_reviews"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster", "metric.label.reason"]
          period = "600s", duration = "0s", limit = var.alert_thresholds.missed_injections
        },
        {
          name   = "Sweep after sweep finds Pods without a gate"
          filter = try(local.counted["ungated_namespaces"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster"]
          period = "3600s", duration = "0s", limit = 3
        },
      ]
    }
    blocked-keys = {
      when     = contains(keys(local.functions), "reconcile")
      title    = "Blocked keys"
      severity = "WARNING"
      says     = "Looks wait for a person or another system. The reason says for whom."
      below    = []
      above = [{
        name   = "Keys are blocked"
        filter = try("${local.counted["outcomes"]} AND metric.labels.outcome=\"blocked\"", "")
        align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster", "metric.label.reason"]
        period = "3600s", duration = "0s", limit = var.alert_thresholds.blocked_keys
      }]
    }
    stale-lease = {
      when     = length(local.scheduled) > 0
      title    = "Stale Lease"
      severity = "ERROR"
      says     = "Nobody has renewed a cluster's Lease, or no webhook believes it. After 25 minutes its Pods get no gate."
      below    = []
      above = [
        {
          name   = "The sweep could not renew a Lease twice in half an hour"
          filter = try(local.counted["stale_leases"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster"]
          period = "1800s", duration = "0s", limit = 1
        },
        {
          name   = "The webhook found a Lease stale"
          filter = try("${local.counted["missed_reviews"]} AND metric.labels.reason=\"LeaseStale\"", "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster"]
          period = "600s", duration = "0s", limit = 0
        },
      ]
    }
    quota-headroom = {
      when     = contains(keys(local.functions), "reconcile")
      title    = "Quota headroom"
      severity = "WARNING"
      says     = "A quota that groups, backend services or health checks count against is nearly used up, or something was not made for want of it."
      below    = []
      above = [
        {
          name   = "A quota is nearly used up"
          filter = try(local.counted["low_quotas"], "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = []
          period = "1800s", duration = "0s", limit = 1
        },
        {
          name   = "Something was refused for want of quota"
          filter = try("${local.counted["outcomes"]} AND metric.labels.reason=\"QuotaExceeded\"", "")
          align  = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.cluster"]
          period = "3600s", duration = "0s", limit = 0
        },
      ]
    }
  }
}

# A new metric can be alerted on only some minutes later (hashicorp/terraform-provider-google#11102).
# By the subscriptions that they name, alerts come after the functions, whose builds take that long.
resource "google_monitoring_alert_policy" "alert" {
  for_each = { for name, alert in local.alerts : name => alert if var.monitoring && alert.when }

  project               = var.project
  display_name          = "negfleet: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.notification_channels

  dynamic "conditions" {
    for_each = each.value.above
    content {
      display_name = conditions.value.name
      condition_threshold {
        filter          = conditions.value.filter
        comparison      = "COMPARISON_GT"
        threshold_value = conditions.value.limit
        duration        = conditions.value.duration
        aggregations {
          alignment_period     = conditions.value.period
          per_series_aligner   = conditions.value.align
          cross_series_reducer = conditions.value.reduce
          group_by_fields      = conditions.value.by
        }
      }
    }
  }

  dynamic "conditions" {
    for_each = each.value.below
    content {
      display_name = conditions.value.name
      condition_threshold {
        filter                  = conditions.value.filter
        comparison              = "COMPARISON_LT"
        threshold_value         = conditions.value.limit
        duration                = "60s"
        evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"
        aggregations {
          alignment_period     = conditions.value.period
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  dynamic "conditions" {
    for_each = each.value.below
    content {
      display_name = "${conditions.value.name}: no data"
      condition_absent {
        filter   = conditions.value.filter
        duration = conditions.value.period
        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.says}\n\n[What to do](https://github.com/negfleet/negfleet/blob/main/docs/operators/monitoring.md#${replace(lower(each.value.title), " ", "-")})"
  }

  # Without a line nothing is counted, and an incident would stay open for a week.
  alert_strategy {
    auto_close = "3600s"
  }
}

resource "google_monitoring_dashboard" "negfleet" {
  count = var.monitoring ? 1 : 0

  project = var.project
  dashboard_json = templatefile("${path.module}/dashboard.json.tftpl", {
    counted   = local.counted
    delivered = local.delivered
    functions = [for name in keys(local.functions) : "negfleet-${name}"]
  })

  depends_on = [google_project_service.apis]
}
