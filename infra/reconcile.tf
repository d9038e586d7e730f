# The one that changes the cloud: docs/operators/functions.md.

resource "google_cloudfunctions2_function" "reconcile" {
  for_each = { for name, function in local.functions : name => function if name == "reconcile" }

  project  = var.project
  location = var.region
  name     = "negfleet-reconcile"

  build_config {
    runtime               = local.runtime
    entry_point           = each.value.entry
    environment_variables = local.build_environment
    service_account       = google_service_account.build.id
    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.source[each.key].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function[each.key].email
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    max_instance_request_concurrency = each.value.concurrency
    available_cpu                    = each.value.cpu
    available_memory                 = each.value.memory
    min_instance_count               = each.value.min
    max_instance_count               = each.value.max
    timeout_seconds                  = each.value.timeout
    environment_variables            = local.environment
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"

    # A file, so that a new version is seen without a deployment.
    secret_volumes {
      mount_path = "/etc/negfleet"
      project_id = var.project
      secret     = google_secret_manager_secret.fleet.secret_id
      versions {
        version = "latest"
        path    = "fleet.yaml"
      }
    }

    dynamic "secret_volumes" {
      for_each = var.kubeconfig_clusters
      content {
        mount_path = "/etc/negfleet-clusters/${secret_volumes.value}"
        project_id = var.project
        secret     = "negfleet-${each.key}-${secret_volumes.value}"
        versions {
          version = "latest"
          path    = "kubeconfig"
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.access == "private"
      error_message = "functions.list says reconcile is ${each.value.access}, and reconcile.tf that it is private"
    }
  }

  depends_on = [
    google_project_service.apis,
    google_project_iam_member.build,
    google_secret_manager_secret_iam_member.fleet,
    google_secret_manager_secret_iam_member.kubeconfig,
    google_secret_manager_secret_version.fleet,
  ]
}
