# Several projects: the functions in one of their own, clusters in two others. One is reached by
# its private address through a connector, the other by Connect gateway.

terraform {
  required_version = ">= 1.11"
}

module "negfleet" {
  source = "../.."

  project          = "my-fleet-project"
  region           = "europe-west1"
  fleet_file       = "${path.module}/fleet.yaml"
  cluster_projects = ["my-shop-project", "my-media-project"]
  gateway_projects = ["my-media-project"]
  vpc_connector    = "projects/my-fleet-project/locations/europe-west1/connectors/negfleet"

  health_check_firewalls = {
    shop = {
      project = "my-shop-project"
      network = "default"
      ports   = ["8080"]
    }
    media = {
      project = "my-media-project"
      network = "default"
      ports   = ["8000-8999"]
    }
  }

  # Media's Pods are made in bursts.
  alert_thresholds = {
    oldest_key        = 600
    missed_injections = 5
  }
}

output "admission_url" {
  description = "What negfleet webhook register --url takes."
  value       = module.negfleet.admission_url
}

output "notifications_topic" {
  description = "What a cluster's --notification-config takes as its topic."
  value       = module.negfleet.notifications_topic
}
