package infra

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSameDeployment: what Terraform makes is what scripts/deploy says it would make, every
// resource and every setting of it, and nothing besides. Only what the clusters get is left to
// the script.
func TestSameDeployment(t *testing.T) {
	for name, c := range map[string]struct {
		list, env string
		settings  map[string]any
	}{
		"one project": {"infra/functions.list", "one.env", map[string]any{}},
		"several projects": {"infra/functions.list", "several.env", map[string]any{
			"cluster_projects": []string{"my-project", "my-other-project"}, "network_project": "host-project", "gateway_projects": []string{"my-project"},
			"kubeconfig_clusters": []string{"lab"},
			"vpc_connector":       "projects/my-project/locations/europe-west1/connectors/negfleet", "public_access": "no-invoker-check", "log_level": "debug",
		}},
		"a list of one's own": {"test/deploy/testdata/admission.list", "one.env", map[string]any{
			"functions_list": absolute(t, "test/deploy/testdata/admission.list"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t)
			c.settings["project"], c.settings["region"] = "my-project", "europe-west1"
			c.settings["fleet_file"] = absolute(t, "test/deploy/testdata/fleet.yaml")
			c.settings["monitoring"] = false // the script has none
			w.settings(c.settings)
			made := madeBy(t, w.applied())
			if log, err := os.ReadFile(filepath.Join(w.dir, "gcloud.log")); err == nil {
				for line := range strings.Lines(string(log)) {
					made = append(made, "command "+strings.TrimSuffix(strings.TrimSpace(line), " --quiet"))
				}
			}
			want := promised(t, dryRun(t, c.list, "test/deploy/testdata/"+c.env))
			slices.Sort(made)
			slices.Sort(want)
			if len(want) < 20 {
				t.Fatalf("the dry run promises only %q", want)
			}
			if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(made, "\n")); diff != "" {
				t.Errorf("(-scripts/deploy +Terraform)\n%s", diff)
			}
			w.run("infra", "plan", "-no-color", "-input=false", "-detailed-exitcode") // 2 if anything were to change
		})
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSettings: each setting of deploy.env is a variable here too, but for those of what only the
// script does.
func TestSettings(t *testing.T) {
	script := text(t, "scripts/deployment.bash")
	names := regexp.MustCompile(`(?m)^SETTINGS=\((.*)\)$`).FindStringSubmatch(script)
	if names == nil {
		t.Fatal("scripts/deployment.bash has no SETTINGS")
	}
	variables := text(t, "infra/variables.tf")
	for name := range strings.FieldsSeq(names[1]) {
		if name == "CLUSTERS" || name == "SMOKE_IMAGE" {
			continue
		}
		if !strings.Contains(variables, fmt.Sprintf("variable %q", strings.ToLower(name))) {
			t.Errorf("infra/variables.tf has no %s, which scripts/deploy knows as %s", strings.ToLower(name), name)
		}
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// at is the value at a path of a resource: names, and 0 for the one block of a name.
func at(v any, path ...any) string {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return ""
			}
			v = list[step]
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// own are the resources that the script has no command for: gcloud uploads by itself.
var own = []string{"google_storage_bucket", "google_storage_bucket_object", "terraform_data", "google_project"}

// madeBy are the facts of a state.
func madeBy(t *testing.T, all []resource) (facts []string) {
	t.Helper()
	for _, r := range all {
		if slices.Contains(own, r.Type) {
			continue
		}
		made := made(r)
		if made == nil {
			t.Errorf("Terraform makes %s, and this test does not know what scripts/deploy does for it", r.Address)
		}
		for _, fact := range made {
			facts = append(facts, named.Replace(url.ReplaceAllString(fact, "$$URL")))
		}
	}
	return facts
}

// A dry run has no numbers, no addresses and no identities that the cloud gives.
var (
	url   = regexp.MustCompile(`https://negfleet-[a-z]+-stub\.a\.run\.app`)
	named = strings.NewReplacer(
		"service-123456789012@gcp-sa-pubsub", "service-$NUMBER@gcp-sa-pubsub",
		"serviceAccount:service-123456789012@gcp-sa-logging.my-project.iam.gserviceaccount.com", "$WRITER",
		"serviceAccount:service-123456789012@gcp-sa-logging.my-other-project.iam.gserviceaccount.com", "$WRITER",
	)
)

// made are the facts of one resource, nil if its type is not known.
func made(r resource) []string {
	v := r.Values
	one := func(format string, paths ...string) []string {
		args := make([]any, len(paths))
		for i, path := range paths {
			args[i] = at(v, path)
		}
		return []string{fmt.Sprintf(format, args...)}
	}
	switch r.Type {
	case "google_project_service":
		return one("api %s %s", "project", "service")
	case "google_service_account":
		return one("account %s %s: %s", "project", "account_id", "display_name")
	case "google_project_iam_custom_role":
		return []string{fmt.Sprintf("role %s %s: %s; %s; %s; %s", v["project"], v["role_id"], v["title"], v["description"], v["stage"], strings.Join(texts(v["permissions"]), " "))}
	case "google_project_iam_member":
		return one("grant %s: %s to %s", "project", "role", "member")
	case "google_secret_manager_secret":
		return []string{fmt.Sprintf("secret %s %s %s", v["project"], v["secret_id"], map[bool]string{true: "automatic"}[at(v, "replication", 0, "auto", 0) != ""])}
	case "google_secret_manager_secret_version":
		return []string{"version " + strings.NewReplacer("projects/", "", "/secrets/", " ").Replace(at(v, "secret"))}
	case "google_secret_manager_secret_iam_member":
		return one("grant %s/secrets/%s: %s to %s", "project", "secret_id", "role", "member")
	case "google_pubsub_topic":
		return one("topic %s %s", "project", "name")
	case "google_pubsub_topic_iam_member":
		return one("grant %s/topics/%s: %s to %s", "project", "topic", "role", "member")
	case "google_pubsub_subscription":
		return []string{subscriptionOf(v)}
	case "google_pubsub_subscription_iam_member":
		return one("grant %s/subscriptions/%s: %s to %s", "project", "subscription", "role", "member")
	case "google_service_account_iam_member":
		account := strings.NewReplacer("projects/", "", "/serviceAccounts/", "/accounts/").Replace(at(v, "service_account_id"))
		return []string{fmt.Sprintf("grant %s: %s to %s", account, v["role"], v["member"])}
	case "google_cloud_run_v2_service_iam_member":
		return one("grant %s/services/%s: %s to %s", "project", "name", "role", "member")
	case "google_cloud_scheduler_job":
		return []string{jobOf(v)}
	case "google_logging_project_sink":
		return one("sink %s %s to %s: %s", "project", "name", "destination", "filter")
	case "google_logging_project_exclusion":
		return one("exclusion %s %s: %s", "project", "name", "filter")
	case "google_cloudfunctions2_function":
		return functionOf(v)
	case "archive_file":
		return []string{"source build/stage/" + filepath.Base(at(v, "source_dir"))}
	}
	return nil
}

func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, each := range list {
		all = append(all, fmt.Sprint(each))
	}
	slices.Sort(all)
	return all
}

func subscriptionOf(v map[string]any) string {
	expires := at(v, "expiration_policy", 0, "ttl")
	if expires == "" && at(v, "expiration_policy", 0) != "" {
		expires = "never"
	}
	return fmt.Sprintf("subscription %s %s: of %s, ack %s s, kept %s, expires %s, retry %s to %s, dead %s after %s, push to %s as %s for %s",
		v["project"], v["name"], filepath.Base(at(v, "topic")), at(v, "ack_deadline_seconds"), v["message_retention_duration"], expires,
		at(v, "retry_policy", 0, "minimum_backoff"), at(v, "retry_policy", 0, "maximum_backoff"),
		at(v, "dead_letter_policy", 0, "dead_letter_topic"), at(v, "dead_letter_policy", 0, "max_delivery_attempts"),
		at(v, "push_config", 0, "push_endpoint"), at(v, "push_config", 0, "oidc_token", 0, "service_account_email"), at(v, "push_config", 0, "oidc_token", 0, "audience"))
}

func jobOf(v map[string]any) string {
	target := func(path ...any) string { return at(v, append([]any{"http_target", 0}, path...)...) }
	return fmt.Sprintf("job %s %s %s: %s %s %s %s within %s as %s for %s", v["project"], v["region"], v["name"], v["schedule"], v["time_zone"], target("http_method"), target("uri"),
		v["attempt_deadline"], target("oidc_token", 0, "service_account_email"), target("oidc_token", 0, "audience"))
}

// What gcloud calls what the API calls otherwise.
var (
	ingress = map[string]string{"ALLOW_ALL": "all", "ALLOW_INTERNAL_ONLY": "internal-only", "ALLOW_INTERNAL_AND_GCLB": "internal-and-gclb"}
	egress  = map[string]string{"PRIVATE_RANGES_ONLY": "private-ranges-only", "ALL_TRAFFIC": "all"}
)

func functionOf(v map[string]any) []string {
	build := func(path ...any) string { return at(v, append([]any{"build_config", 0}, path...)...) }
	service := func(path ...any) string { return at(v, append([]any{"service_config", 0}, path...)...) }
	name := at(v, "name")
	facts := map[string]string{
		"where": at(v, "project") + " " + at(v, "location"), "runtime": build("runtime"), "entry": build("entry_point"),
		"concurrency": service("max_instance_request_concurrency"), "cpu": service("available_cpu"), "memory": service("available_memory"),
		"min": service("min_instance_count"), "max": service("max_instance_count"), "timeout": service("timeout_seconds") + "s",
		"account": service("service_account_email"), "build account": build("service_account"),
		"build":   "GOOGLE_GOLDFLAGS=" + build("environment_variables", "GOOGLE_GOLDFLAGS"),
		"ingress": ingress[service("ingress_settings")], "connector": service("vpc_connector"), "egress": egress[service("vpc_connector_egress_settings")],
	}
	config, _ := v["service_config"].([]any)
	block, _ := config[0].(map[string]any)
	variables, _ := block["environment_variables"].(map[string]any)
	for key, value := range variables {
		facts["variable "+key] = fmt.Sprint(value)
	}
	volumes, _ := block["secret_volumes"].([]any)
	for _, each := range volumes {
		facts["secret "+at(each, "mount_path")+"/"+at(each, "versions", 0, "path")] = at(each, "secret") + ":" + at(each, "versions", 0, "version")
	}
	secrets, _ := block["secret_environment_variables"].([]any)
	for _, each := range secrets {
		facts["secret "+at(each, "key")] = at(each, "secret") + ":" + at(each, "version")
	}
	lines := factsOf("function "+name, facts)
	// The source is the tree of the function itself.
	if object := build("source", 0, "storage_source", 0, "object"); !strings.HasPrefix(object, strings.TrimPrefix(name, "negfleet-")+"-") {
		lines = append(lines, "function "+name+": source "+object)
	}
	return lines
}
