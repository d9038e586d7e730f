# What Cloud Build compiles: the trees that make stage has put together, each one the files of
# one function and nothing else. A tree that did not change is not uploaded again.

locals {
  source_dir = coalesce(var.source_dir, "${path.module}/../build/stage")
}

resource "google_storage_bucket" "sources" {
  project                     = var.project
  name                        = coalesce(var.bucket, "${var.project}-negfleet-sources")
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # what is in it can be staged again
}

data "archive_file" "source" {
  for_each = local.functions

  type             = "zip"
  source_dir       = "${local.source_dir}/${each.key}"
  output_path      = "${local.source_dir}/${each.key}.zip"
  output_file_mode = "0644" # the same zip whoever made it

  lifecycle {
    precondition {
      condition     = fileexists("${local.source_dir}/${each.key}/function.go")
      error_message = "${local.source_dir}/${each.key} has no source tree: run make stage"
    }
    precondition {
      condition     = contains(["events", "audit", "admission", "reconcile", "readiness", "sweep"], each.key)
      error_message = "function ${each.key} has no file of its own here: write ${each.key}.tf and add it to locals.tf"
    }
  }
}

resource "google_storage_bucket_object" "source" {
  for_each = local.functions

  bucket = google_storage_bucket.sources.name
  name   = "${each.key}-${data.archive_file.source[each.key].output_sha256}.zip"
  source = data.archive_file.source[each.key].output_path
}
