# Topics, who publishes, and who is pushed to: docs/operators/functions.md.

resource "google_pubsub_topic" "topic" {
  for_each = local.topics

  project = var.project
  name    = each.key

  depends_on = [google_project_service.apis]
}

# Dead letters wait for a person, so they wait as long as they can.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "negfleet-dead"
  topic                      = google_pubsub_topic.topic["negfleet-dead"].id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = "" # never
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = merge([for name, function in local.functions : {
    for topic in function.publishes : "${name} ${topic}" => { function = name, topic = topic }
  }]...)

  project = var.project
  topic   = google_pubsub_topic.topic[each.value.topic].name
  role    = "roles/pubsub.publisher"
  member  = google_service_account.function[each.value.function].member
}

# Pub/Sub itself moves what was delivered in vain to negfleet-dead, and signs as who pushes.

data "google_project" "functions" {
  project_id = var.project
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.functions.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.topic["negfleet-dead"].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead" {
  for_each = local.subscriptions

  project      = var.project
  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Older projects' agents may not sign as the push account by themselves.
resource "google_service_account_iam_member" "push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = toset([for subscription in local.subscriptions : subscription.function])

  project  = var.project
  location = var.region
  name     = local.deployed[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}

# A function has 540 s and Pub/Sub waits 600, so that nothing is delivered again that is at work.
resource "google_pubsub_subscription" "push" {
  for_each = local.subscriptions

  project                    = var.project
  name                       = each.key
  topic                      = google_pubsub_topic.topic[each.value.topic].id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = "" # never
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topic["negfleet-dead"].id
    max_delivery_attempts = 20
  }
  push_config {
    push_endpoint = "${local.urls[each.value.function]}${each.value.path}"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.urls[each.value.function]
    }
  }

  depends_on = [
    google_cloud_run_v2_service_iam_member.push,
    google_pubsub_topic_iam_member.dead,
    google_service_account_iam_member.push,
  ]
}
