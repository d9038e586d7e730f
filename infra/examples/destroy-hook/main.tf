# Empties a cluster with negfleet before Terraform destroys it. Whatever the module depends on
# is destroyed after it: name the cluster in depends_on where you call it.

terraform {
  required_version = ">= 1.4" # terraform_data
}

variable "cluster" {
  description = "Name of the cluster in the fleet file."
  type        = string
}

variable "fleet" {
  description = "Path of the fleet file, absolute or from where Terraform runs."
  type        = string
}

variable "project" {
  description = "Project of negfleet's topics."
  type        = string
}

variable "timeout" {
  description = "How long to wait until the cluster holds nothing."
  type        = string
  default     = "15m"
}

variable "negfleet" {
  description = "The command, if it is not on the path."
  type        = string
  default     = "negfleet"
}

resource "terraform_data" "drain" {
  # What runs at the end may only look at the resource itself, so it keeps what it needs. A
  # change of these is no replacement, and drains nothing.
  input = {
    cluster  = var.cluster
    fleet    = var.fleet
    project  = var.project
    timeout  = var.timeout
    negfleet = var.negfleet
  }

  provisioner "local-exec" {
    when    = destroy
    command = "\"$NEGFLEET\" drain \"$CLUSTER\" --wait --timeout \"$TIMEOUT\""
    environment = {
      CLUSTER           = self.output.cluster
      NEGFLEET          = self.output.negfleet
      NEGFLEET_FLEET    = self.output.fleet
      PUBSUB_PROJECT_ID = self.output.project
      TIMEOUT           = self.output.timeout
    }
  }
}
