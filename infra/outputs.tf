output "urls" {
  description = "Where each function is called, without the secret paths."
  value       = local.urls
}

output "admission_url" {
  description = "What negfleet webhook register --url takes. Null when the list has no admission."
  value       = try(local.urls["admission"], null)
}

output "service_accounts" {
  description = "Who the functions are, by name: the users to bind infra/rbac to."
  value       = { for name, account in google_service_account.function : name => account.email }
}

output "caller_keys_secret" {
  description = "The secret with the keys of the paths; its content is not here."
  value       = google_secret_manager_secret.caller_keys.id
}

output "fleet_secret" {
  description = "The secret with the fleet file."
  value       = google_secret_manager_secret.fleet.id
}

output "notifications_topic" {
  description = "What a cluster's --notification-config takes as its topic. Null when nobody receives it."
  value       = try(google_pubsub_topic.topic["negfleet-notifications"].id, null)
}

output "dead_letters" {
  description = "The subscription that negfleet replay reads."
  value       = google_pubsub_subscription.dead.id
}

output "alerts" {
  description = "The alert policies, by name."
  value       = { for name, policy in google_monitoring_alert_policy.alert : name => policy.id }
}
