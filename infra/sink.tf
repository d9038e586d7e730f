# What GKE's control planes write comes from the audit log: docs/operators/cluster-events.md.

locals {
  # Without a function that receives it nobody listens.
  sink_projects = contains(local.topics, "negfleet-audit") ? toset(local.cluster_projects) : toset([])
}

resource "google_logging_project_sink" "audit" {
  for_each = local.sink_projects

  project                = each.key
  name                   = "negfleet-audit"
  destination            = "pubsub.googleapis.com/${google_pubsub_topic.topic["negfleet-audit"].id}"
  filter                 = trimspace(file("${path.module}/log-sink.filter"))
  unique_writer_identity = true
}

resource "google_pubsub_topic_iam_member" "sink" {
  for_each = local.sink_projects

  project = var.project
  topic   = google_pubsub_topic.topic["negfleet-audit"].name
  role    = "roles/pubsub.publisher"
  member  = google_logging_project_sink.audit[each.key].writer_identity
}

# The platform logs each request with its path, and the path of a public function is the
# secret. An exclusion of a project is one of its sink _Default; other sinks of yours that take
# request logs need the same.
resource "google_logging_project_exclusion" "paths" {
  count = length(local.public) > 0 ? 1 : 0

  project = var.project
  name    = "negfleet-paths"
  filter = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "logName:\"run.googleapis.com%2Frequests\"",
    "resource.labels.service_name=(${join(" OR ", [for name in local.public : "\"negfleet-${name}\""])})",
  ])

  depends_on = [google_project_service.apis]
}
