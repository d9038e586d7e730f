# A Shared VPC: clusters and functions in a service project, the network in a host project. Who
# applies this may write roles and firewall rules in the host project too.

terraform {
  required_version = ">= 1.11"
}

locals {
  project = "my-service-project"
  host    = "my-host-project"
}

module "negfleet" {
  source = "../.."

  project         = local.project
  region          = "europe-west1"
  fleet_file      = "${path.module}/fleet.yaml"
  network_project = local.host

  health_check_firewalls = {
    shared = {
      project = local.host
      network = "projects/${local.host}/global/networks/shared"
      ports   = ["8080", "8443", "9000-9099"]
      # Regional load balancers send from their proxy-only subnet.
      source_ranges = ["10.129.0.0/23"]
    }
  }

  # An organisation's policy of domain-restricted sharing forbids to grant allUsers anything.
  public_access = "no-invoker-check"
}

output "admission_url" {
  description = "What negfleet webhook register --url takes."
  value       = module.negfleet.admission_url
}
