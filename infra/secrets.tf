# The fleet file, and the keys of the paths of audit and admission. What is in them is written and
# not kept: it is neither in the state nor in a plan.

resource "google_secret_manager_secret" "fleet" {
  project   = var.project
  secret_id = "negfleet-fleet"

  replication {
    auto {}
  }

  depends_on = [google_project_service.apis]
}

# A version for each content of the file. The old ones stay, to go back to.
resource "google_secret_manager_secret_version" "fleet" {
  secret                 = google_secret_manager_secret.fleet.id
  secret_data_wo         = file(var.fleet_file)
  secret_data_wo_version = parseint(substr(filesha256(var.fleet_file), 0, 12), 16)
  deletion_policy        = "ABANDON"

  lifecycle {
    create_before_destroy = true # there is always a latest one
  }
}

resource "google_secret_manager_secret_iam_member" "fleet" {
  for_each = local.functions

  project   = var.project
  secret_id = google_secret_manager_secret.fleet.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.key].member
}

# Yours to make, as kubeconfigs are secrets that no state should have.
resource "google_secret_manager_secret_iam_member" "kubeconfig" {
  for_each = { for pair in setproduct(keys(local.functions), var.kubeconfig_clusters) : "${pair[0]} ${pair[1]}" => pair }

  project   = var.project
  secret_id = "negfleet-${each.value[0]}-${each.value[1]}"
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.value[0]].member
}

resource "google_secret_manager_secret" "caller_keys" {
  project   = var.project
  secret_id = "negfleet-caller-keys"

  replication {
    auto {}
  }

  depends_on = [google_project_service.apis]
}

# Another one in each run, of which the first is written and the others are forgotten: a key is
# rotated by hand, as two have to be there meanwhile.
ephemeral "random_password" "caller_key" {
  count = var.create_caller_key ? 1 : 0

  length  = 64
  special = false
}

resource "google_secret_manager_secret_version" "caller_keys" {
  count = var.create_caller_key ? 1 : 0

  secret                 = google_secret_manager_secret.caller_keys.id
  secret_data_wo         = ephemeral.random_password.caller_key[0].result
  secret_data_wo_version = 1
  deletion_policy        = "ABANDON"
}

resource "google_secret_manager_secret_iam_member" "caller_keys" {
  for_each = toset(local.public)

  project   = var.project
  secret_id = google_secret_manager_secret.caller_keys.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.key].member
}
