# The same code as events, for a kube-apiserver that sends its audit log itself:
# docs/operators/cluster-events.md. Anyone may call it: the path is the secret.

resource "google_cloudfunctions2_function" "audit" {
  for_each = { for name, function in local.functions : name => function if name == "audit" }

  project  = var.project
  location = var.region
  name     = "negfleet-audit"

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
    ingress_settings                 = "ALLOW_ALL"
    max_instance_request_concurrency = each.value.concurrency
    available_cpu                    = each.value.cpu
    available_memory                 = each.value.memory
    min_instance_count               = each.value.min
    max_instance_count               = each.value.max
    timeout_seconds                  = each.value.timeout
    environment_variables = merge(local.environment, {
      NEGFLEET_EVENTS_ACCEPT = "audit"
      NEGFLEET_IDENTITIES    = local.identities
    })
    vpc_connector                 = var.vpc_connector
    vpc_connector_egress_settings = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"

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

    secret_environment_variables {
      key        = "NEGFLEET_CALLER_KEYS"
      project_id = var.project
      secret     = google_secret_manager_secret.caller_keys.secret_id
      version    = "latest"
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.access == "public"
      error_message = "functions.list says audit is ${each.value.access}, and audit.tf that it is public"
    }
  }

  depends_on = [
    google_project_service.apis,
    google_project_iam_member.build,
    google_secret_manager_secret_iam_member.fleet,
    google_secret_manager_secret_iam_member.kubeconfig,
    google_secret_manager_secret_version.fleet,
    google_secret_manager_secret_iam_member.caller_keys,
    google_secret_manager_secret_version.caller_keys,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "audit_public" {
  for_each = { for name, function in google_cloudfunctions2_function.audit : name => function if var.public_access == "allUsers" }

  project  = var.project
  location = var.region
  name     = each.value.name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

# The API of functions has no such switch, so gcloud turns it in the service below:
# hashicorp/terraform-provider-google#23360. Each deployment may turn it back.
resource "terraform_data" "audit_public" {
  for_each = { for name, function in google_cloudfunctions2_function.audit : name => function if var.public_access == "no-invoker-check" }

  triggers_replace = [each.value.id, each.value.update_time]

  provisioner "local-exec" {
    command = "gcloud run services update ${each.value.name} --no-invoker-iam-check --region=${var.region} --project=${var.project} --quiet"
  }
}
