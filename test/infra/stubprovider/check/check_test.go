package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

// TestDir: each mistake is told, with the line that it is in, and what is right is not.
func TestDir(t *testing.T) {
	providers, err := schema.Providers()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want []string // a part of each problem; none: nothing is wrong
	}{
		"right": {`
variable "project" {
  type        = string
  description = "Where."
}
locals {
  names = ["a"]
}
resource "google_pubsub_topic" "all" {
  for_each = toset(local.names)
  name     = each.key
  project  = var.project
}
output "ids" {
  description = "Topics."
  value       = { for name, topic in google_pubsub_topic.all : name => topic.id }
}
`, nil},
		"what Terraform itself has": {`
resource "terraform_data" "a" {
  input = { name = "a" }
  provisioner "local-exec" {
    when    = destroy
    command = "echo ${self.input.name}"
  }
  lifecycle {
    ignore_changes = [input]
  }
}
`, nil},
		"an argument that there is not": {`
resource "google_pubsub_topic" "a" {
  name  = "a"
  names = "b"
}
`, []string{"main.tf:4: resource google_pubsub_topic.a has no argument names"}},
		"an argument that is missing": {`
resource "google_pubsub_topic" "a" {
}
`, []string{"main.tf:2: resource google_pubsub_topic.a: name is missing"}},
		"an argument that cannot be given": {`
resource "google_pubsub_topic" "a" {
  name = "a"
  id   = "b"
}
`, []string{"main.tf:4: resource google_pubsub_topic.a: id comes from the API"}},
		"a block that is missing, one that there is not, and one too many": {`
resource "google_secret_manager_secret" "a" {
  secret_id = "a"
  replicas {}
}
resource "google_pubsub_subscription" "a" {
  name  = "a"
  topic = "b"
  retry_policy {}
  retry_policy {}
}
`, []string{"block replication is missing", "has no block replicas", "2 blocks retry_policy, at most 1"}},
		"a value that is refused": {`
resource "google_project_iam_custom_role" "a" {
  role_id     = "a-b"
  title       = "a"
  stage       = "NEW"
  permissions = ["a.b.c"]
}
`, []string{`role_id = "a-b": want it like`, `stage = "NEW": want one of`}},
		"references that lead nowhere": {`
resource "google_pubsub_topic" "a" {
  name    = local.missing
  project = var.missing
}
resource "google_pubsub_topic" "b" {
  name    = google_pubsub_topic.c.name
  project = google_pubsub_topic.a.where
}
`, []string{"local.missing is declared nowhere", "var.missing is declared nowhere", "google_pubsub_topic.c is declared nowhere", "google_pubsub_topic.a has no where"}},
		"what is used nowhere, or not described": {`
variable "a" {
}
locals {
  b = 1
}
output "c" {
  value = 1
}
`, []string{"var.a is used nowhere", "local.b is used nowhere", "variable a has no description", "variable a has no type", "output c has no description"}},
		"a module that does not take that": {`
module "m" {
  source = "./m"
  more   = 1
}
output "o" {
  description = "None."
  value       = module.m.nothing
}
`, []string{"module m has no variable more", "module m: name is missing", "module.m has no output nothing"}},
		"a type that is not known": {`
resource "google_kms_key_ring" "a" {
}
`, []string{"resource google_kms_key_ring is not in"}},
		"no HCL": {`resource "`, []string{"main.tf:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "main.tf"), c.text)
			write(t, filepath.Join(dir, "m", "main.tf"), "variable \"name\" {\n}\n")
			problems, err := Dir(dir, providers)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(problems, "\n")
			for _, part := range c.want {
				if !strings.Contains(said, part) {
					t.Errorf("no %q", part)
				}
			}
			if len(problems) < len(c.want) || (len(c.want) == 0) != (len(problems) == 0) {
				t.Errorf("problems:\n%s", said)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLocal(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.tf"), `
locals {
  names = ["b", "c"]
  text  = { for name in local.names : name => join("-", ["a", name, local.rest.one]) }
  rest  = { one = "1" }
  self  = local.self
  made  = var.made
}
`)
	got, err := Local(dir, "text")
	if want := `{"b":"a-b-1","c":"a-c-1"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, name := range []string{"none", "self", "made"} {
		if got, err := Local(dir, name); err == nil {
			t.Errorf("%s: %s, and no error", name, got)
		}
	}
}
