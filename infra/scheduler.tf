# Calls the functions that run every ten minutes.

resource "google_cloud_run_v2_service_iam_member" "scheduler" {
  for_each = toset(local.scheduled)

  project  = var.project
  location = var.region
  name     = local.deployed[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

resource "google_cloud_scheduler_job" "job" {
  for_each = toset(local.scheduled)

  project          = var.project
  region           = var.region
  name             = "negfleet-${each.key}"
  schedule         = "*/10 * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.functions[each.key].timeout}s"

  http_target {
    uri         = local.urls[each.key]
    http_method = "POST"
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.urls[each.key]
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.scheduler]
}
