# A load balancer is of use only if its health checks, and what it forwards, reach the Pods. GKE's
# own controller opens the ways of its own load balancers; those to standalone groups are yours.

resource "google_compute_firewall" "health_checks" {
  for_each = var.health_check_firewalls

  project     = each.value.project
  network     = each.value.network
  name        = "negfleet-${each.key}-health-checks"
  description = "Load balancers and their health checks reach Pods"
  direction   = "INGRESS"

  # Google's front ends and probers: cloud.google.com/load-balancing/docs/firewall-rules.
  source_ranges = concat(["35.191.0.0/16", "130.211.0.0/22"], each.value.source_ranges)
  target_tags   = each.value.target_tags

  allow {
    protocol = "tcp"
    ports    = each.value.ports
  }
}
