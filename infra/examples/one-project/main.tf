# One project with everything: the functions, one cluster, its network.
#
# In a repository of your own, source is "github.com/negfleet/negfleet//infra?ref=TAG", and
# source_dir the folder in which make stage of a clone of TAG has put the source trees.

terraform {
  required_version = ">= 1.11"
}

module "negfleet" {
  source = "../.."

  project    = "my-project"
  region     = "europe-west1"
  fleet_file = "${path.module}/fleet.yaml"

  # Pods that serve on 8080, on nodes with this tag.
  health_check_firewalls = {
    default = {
      project     = "my-project"
      network     = "default"
      ports       = ["8080"]
      target_tags = ["gke-prod-eu"]
    }
  }

  notification_channels = ["projects/my-project/notificationChannels/1234567890"]
}

output "admission_url" {
  description = "What negfleet webhook register --url takes."
  value       = module.negfleet.admission_url
}

output "service_accounts" {
  description = "The users to bind infra/rbac to."
  value       = module.negfleet.service_accounts
}
