# The same settings as deploy.env has, and those that only Terraform needs.

variable "project" {
  description = "Project of the functions, topics and secrets."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "want a project ID, such as my-project"
  }
}

variable "region" {
  description = "Region of the functions; next to most of the clusters."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "want a region, such as europe-west1"
  }
}

variable "fleet_file" {
  description = "Path of the fleet file. It goes into Secret Manager, and neither into the state nor into a plan."
  type        = string

  validation {
    condition     = fileexists(var.fleet_file)
    error_message = "there is no such file; want the path of the fleet file"
  }
  validation {
    # Bytes and not characters, which is what length counts. Secret Manager keeps 64 KiB in one version.
    condition     = try(length(filebase64(var.fleet_file)) / 4 * 3 - length(regexall("=", filebase64(var.fleet_file))) <= 65536, true)
    error_message = "the fleet file is larger than 65536 bytes, the most that Secret Manager keeps; split the fleet over two deployments"
  }
}

variable "cluster_projects" {
  description = "Projects whose Compute and clusters the fleet file names. Null: the project of the functions alone."
  type        = set(string)
  default     = null

  validation {
    condition     = alltrue([for each in coalesce(var.cluster_projects, []) : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", each))])
    error_message = "want project IDs"
  }
  validation {
    condition     = try(length(var.cluster_projects) > 0, true)
    error_message = "want at least one project, or null"
  }
}

variable "network_project" {
  description = "Host project of a Shared VPC, where the network and the subnetworks are. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.network_project == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.network_project))
    error_message = "want a project ID, or null"
  }
}

variable "gateway_projects" {
  description = "Projects of fleet memberships that are reached by Connect gateway."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.gateway_projects : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", each))])
    error_message = "want project IDs"
  }
}

variable "kubeconfig_clusters" {
  description = "Clusters that the functions reach by kubeconfig. The secrets negfleet-FUNCTION-CLUSTER, one for each function and cluster, must be there: docs/operators/deploy.md."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.kubeconfig_clusters : can(regex("^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$", each))])
    error_message = "want names of clusters, as in the fleet file"
  }
}

variable "vpc_connector" {
  description = "Serverless VPC Access connector, for clusters that have a private address alone. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.vpc_connector == null || can(regex("^projects/[^/]+/locations/[^/]+/connectors/[^/]+$", var.vpc_connector))
    error_message = "want projects/PROJECT/locations/REGION/connectors/NAME, or null"
  }
}

variable "public_access" {
  description = "How anyone may call audit and admission: allUsers, or no-invoker-check where an organisation's policy forbids to grant allUsers anything. The latter runs gcloud, as no API that Terraform knows has it for functions."
  type        = string
  default     = "allUsers"

  validation {
    condition     = contains(["allUsers", "no-invoker-check"], var.public_access)
    error_message = "want allUsers or no-invoker-check"
  }
}

variable "log_level" {
  description = "debug, info, warn or error. Alerts count lines of level info."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "want debug, info, warn or error"
  }
  validation {
    condition     = !var.monitoring || contains(["debug", "info"], var.log_level)
    error_message = "the alerts count lines of level info; want debug or info, or monitoring = false"
  }
}

variable "functions_list" {
  description = "Another list than infra/functions.list, such as one without audit where every cluster is GKE's. Null: that one."
  type        = string
  default     = null

  validation {
    condition     = var.functions_list == null || try(fileexists(var.functions_list), false)
    error_message = "there is no such file"
  }
}

variable "source_dir" {
  description = "Where make stage has put the source trees, one folder for each function. Null: build/stage of this repository."
  type        = string
  default     = null
}

variable "bucket" {
  description = "Name of the bucket for the source trees, which nobody else in the world may have. Null: PROJECT-negfleet-sources."
  type        = string
  default     = null

  validation {
    condition     = var.bucket == null || can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "want the name of a bucket: 3 to 63 lower-case letters, digits, dashes, underscores and dots"
  }
}

variable "enable_apis" {
  description = "Whether to switch on the APIs in the project of the functions. They stay on when this is destroyed, since others may use them."
  type        = bool
  default     = true
}

variable "create_caller_key" {
  description = "Whether to make the first key of the paths of audit and admission. It is made while Terraform runs, written to Secret Manager, and kept nowhere else. False: a version is there already, or is added by hand before the functions are made."
  type        = bool
  default     = true
}

variable "health_check_firewalls" {
  description = "Networks in which to let load balancers and their health checks reach Pods, by a name of yours. ports: those that Pods serve on and are checked at, such as 8080 or 8000-8999. target_tags: of the nodes; empty: every VM of the network. source_ranges: more that may come in, such as a proxy-only subnet."
  type = map(object({
    project       = string
    network       = string
    ports         = list(string)
    target_tags   = optional(list(string), [])
    source_ranges = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for name, each in var.health_check_firewalls : can(regex("^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$", name))])
    error_message = "want names of at most 40 lower-case letters, digits and dashes"
  }
  validation {
    # Without ports GCP would open all of them.
    condition     = alltrue([for each in var.health_check_firewalls : length(each.ports) > 0 && alltrue([for port in each.ports : can(regex("^[0-9]{1,5}(-[0-9]{1,5})?$", port))])])
    error_message = "ports: want at least one, such as 8080 or 8000-8999"
  }
  validation {
    condition     = alltrue(flatten([for each in var.health_check_firewalls : [for range in each.source_ranges : can(cidrhost(range, 0)) && range != "0.0.0.0/0"]]))
    error_message = "source_ranges: want CIDR ranges, and not the whole internet"
  }
}

variable "monitoring" {
  description = "Whether to make the log-based metrics, the alerts and the dashboard."
  type        = bool
  default     = true
}

variable "notification_channels" {
  description = "Whom the alerts tell: projects/PROJECT/notificationChannels/NUMBER. Empty: an incident is opened, and nobody is told."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", each))])
    error_message = "want projects/PROJECT/notificationChannels/NUMBER"
  }
}

variable "alert_thresholds" {
  description = "Above what an alert goes off: see docs/operators/monitoring.md. oldest_key and oldest_gates: age in seconds; the others: a number of them."
  type = object({
    oldest_key        = optional(number, 300)
    oldest_gates      = optional(number, 800)
    missed_injections = optional(number, 0)
    blocked_keys      = optional(number, 0)
  })
  default = {}

  validation {
    condition     = var.alert_thresholds.oldest_key >= 60 && var.alert_thresholds.oldest_gates > 500 && var.alert_thresholds.missed_injections >= 0 && var.alert_thresholds.blocked_keys >= 0
    error_message = "want oldest_key of at least 60, oldest_gates above 500, and nothing below 0"
  }
}
