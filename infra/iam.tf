# APIs, identities and rights. Each function is somebody of its own and may do what its calls
# need and nothing else: roles/*.yaml, which a test holds to these calls.

resource "google_project_service" "apis" {
  for_each = toset(var.enable_apis ? concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
  ], var.monitoring ? ["monitoring.googleapis.com"] : []) : [])

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}

resource "google_service_account" "function" {
  for_each = local.functions

  project      = var.project
  account_id   = "negfleet-${each.key}"
  display_name = "negfleet's function ${each.key}"

  depends_on = [google_project_service.apis]
}

resource "google_service_account" "push" {
  project      = var.project
  account_id   = "negfleet-push"
  display_name = "Pub/Sub calls negfleet's functions as this"

  depends_on = [google_project_service.apis]
}

resource "google_service_account" "scheduler" {
  project      = var.project
  account_id   = "negfleet-scheduler"
  display_name = "Cloud Scheduler calls negfleet's sweep as this"

  depends_on = [google_project_service.apis]
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "negfleet-build"
  display_name = "Cloud Build builds negfleet's functions as this"

  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "build" {
  project = var.project
  role    = "roles/cloudbuild.builds.builder"
  member  = google_service_account.build.member
}

# In each project with clusters: every function finds the control plane, and those that work on
# Compute have a role of their name. In the project of a Shared VPC reconcile uses the network.
locals {
  roles = { for file in fileset("${path.module}/roles", "*.yaml") : trimsuffix(file, ".yaml") => yamldecode(file("${path.module}/roles/${file}")) }

  roles_of_clusters = concat(["clusters"], [for name in keys(local.functions) : name if contains(keys(local.roles), name)])
  custom_roles = merge(
    merge([for project in local.cluster_projects : {
      for name in local.roles_of_clusters : "${project} ${name}" => { project = project, name = name }
    }]...),
    { for project in var.network_project[*] : "${project} network" => { project = project, name = "network" } },
  )

  custom_grants = merge(
    merge([for project in local.cluster_projects : {
      for name in keys(local.functions) : "${project} clusters ${name}" => { role = "${project} clusters", function = name }
    }]...),
    { for key, role in local.custom_roles : "${key} ${role.name}" => { role = key, function = role.name } if contains(keys(local.functions), role.name) },
    { for project in var.network_project[*] : "${project} network reconcile" => { role = "${project} network", function = "reconcile" } if contains(keys(local.functions), "reconcile") },
  )

  # The gateway's rights go by HTTP method, and only these write to clusters: sweep renews the Lease.
  gateway_grants = merge([for project in var.gateway_projects : {
    for name in keys(local.functions) : "${project} ${name}" => {
      project  = project
      function = name
      role     = contains(["reconcile", "readiness", "sweep"], name) ? "roles/gkehub.gatewayEditor" : "roles/gkehub.gatewayReader"
    }
  }]...)
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.custom_roles

  project     = each.value.project
  role_id     = "negfleet.${each.value.name}"
  title       = local.roles[each.value.name].title
  description = local.roles[each.value.name].description
  stage       = local.roles[each.value.name].stage
  permissions = local.roles[each.value.name].includedPermissions

  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "custom" {
  for_each = local.custom_grants

  project = google_project_iam_custom_role.role[each.value.role].project
  role    = google_project_iam_custom_role.role[each.value.role].id
  member  = google_service_account.function[each.value.function].member
}

resource "google_project_iam_member" "gateway" {
  for_each = local.gateway_grants

  project = each.value.project
  role    = each.value.role
  member  = google_service_account.function[each.value.function].member
}
