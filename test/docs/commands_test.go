package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guides are the pages that lead a person who has never seen the project to a deployment.
var guides = []string{"README.md", "docs/operators/deploy.md"}

// An exercise is where a command of the guides is run, or what it would run is asserted: a file
// and the words in it that do so.
type exercise struct{ file, words string }

// exercised has every command of the guides but those of the command negfleet, which are looked
// for in its own tests. A new one gets a line here, and a test.
var exercised = map[string]exercise{
	"make demo":    {".ci/run", "\nmake demo\n"},
	"make test":    {".ci/run", "\nmake test\n"},
	"make sandbox": {"test/sandbox/sandbox_test.go", `argv := []string{"up", "--dir", o.Dir, "--bin", o.Bin, "--controlplane", o.ControlPlane`},
	"make stage":   {"test/stage/tree/tree.go", `"scripts", "stage"`},

	// The block of the README is run as it stands, in a live sandbox.
	". .sandbox/env": {"test/sandbox/readme_test.go", "byHand("},
	"kubectl apply -f test/sandbox/story/manifests/shop.yaml": {"test/sandbox/readme_test.go", "byHand("},
	"kubectl -n shop get service web -o yaml":                 {"test/sandbox/readme_test.go", "byHand("},
	"gcloud compute network-endpoint-groups list":             {"test/sandbox/readme_test.go", "byHand("},
	".sandbox/bin/negfleet plan cluster-1/shop/web":           {"test/sandbox/readme_test.go", "byHand("},
	"gcloud compute network-endpoint-groups update":           {"test/conformance/testdata/gcloud/groups.txt", "network-endpoint-groups update"},
	"kubectl replace --force":                                 {"test/sandbox/story/steps.go", "func replaceForce("},

	"cp deploy.env.example deploy.env": {"test/deploy/dryrun_test.go", `"deploy.env.example"`},
	"scripts/deploy":                   {"test/deploy/gcloud_test.go", `must("deploy")`},
	"scripts/deploy --dry-run":         {"test/deploy/dryrun_test.go", `"deploy":           {script: "deploy"`},
	"scripts/deploy --from secrets":    {"test/deploy/gcloud_test.go", `must("deploy", "--from",`},
	"gcloud secrets versions add negfleet-fleet --data-file=fleet.yaml --project=PROJECT":                                       {"test/deploy/testdata/deploy-several.golden", "gcloud secrets versions add negfleet-fleet --data-file="},
	"gcloud secrets create negfleet-$name-lab --replication-policy=automatic --data-file=$name.kubeconfig --project=my-project": {"test/deploy/gcloud_test.go", `"secrets", "create", "negfleet-"+name+"-lab", "--replication-policy=automatic", "--data-file="`},
	"scripts/deploy --from functions": {"test/deploy/gcloud_test.go", `must("deploy", "--from",`},
	"scripts/smoke CLUSTER":           {"test/deploy/dryrun_test.go", `"smoke":            {script: "smoke"`},
	"scripts/smoke prod-eu":           {"test/deploy/dryrun_test.go", `"smoke":            {script: "smoke"`},
	"scripts/stage NAME":              {"test/stage/tree/tree.go", `"scripts", "stage"`},
	"scripts/open-gates":              {"test/deploy/kubectl_test.go", "open-gates"},
	"scripts/undeploy":                {"test/deploy/gcloud_test.go", `must("undeploy")`},
	"scripts/undeploy --dry-run":      {"test/deploy/dryrun_test.go", `"undeploy":         {script: "undeploy"`},
}

// planned is what a guide calls so itself: there is nothing to exercise yet.
const planned = "| planned |"

var (
	block  = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	spoken = regexp.MustCompile("`([^`\n]+)`")
	told   = regexp.MustCompile(`^(?:\. |(?:make|cp|kubectl|gcloud|negfleet|terraform|\.sandbox/bin/negfleet) |scripts/[a-z-]+(?: |$))`)
	remark = regexp.MustCompile(`\s+#.*$`)
)

// commands are those that a page has a reader run, in blocks and within sentences.
func commands(page string) []string {
	var found []string
	add := func(line string) {
		if line = strings.TrimSpace(remark.ReplaceAllString(strings.TrimSpace(line), "")); told.MatchString(line) && !slices.Contains(found, line) {
			found = append(found, line)
		}
	}
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(m[1]) {
			add(line)
		}
	}
	for line := range strings.Lines(block.ReplaceAllString(page, "")) {
		if strings.Contains(line, planned) {
			continue
		}
		for _, m := range spoken.FindAllStringSubmatch(line, -1) {
			add(m[1])
		}
	}
	return found
}

// TestCommandsAreExercised: what the guides have a reader run is run by a test, or what it
// would run is asserted.
func TestCommandsAreExercised(t *testing.T) {
	all := map[string]bool{}
	for _, file := range guides {
		found := commands(read(t, file))
		if len(found) < 5 {
			t.Errorf("%s has %d commands", file, len(found))
		}
		for _, c := range found {
			all[c] = true
			if sub, ours := strings.CutPrefix(c, "negfleet "); ours {
				holdsOwn(t, file, sub)
				continue
			}
			where, listed := exercised[c]
			if !listed {
				t.Errorf("%s: %q is in no test that test/docs knows: write one, and name it in commands_test.go", file, c)
			} else if !strings.Contains(read(t, where.file), where.words) {
				t.Errorf("%s: %q should be exercised in %s by %q, which is not there", file, c, where.file, where.words)
			}
		}
	}
	for c := range exercised {
		if !all[c] {
			t.Errorf("%q is in none of %v any more", c, guides)
		}
	}
}

// holdsOwn looks for a command of negfleet in the tests of the command.
func holdsOwn(t *testing.T, page, command string) {
	t.Helper()
	words := strings.Fields(command)
	call := regexp.MustCompile(`"` + regexp.QuoteMeta(words[0]) + `(?:"|[ ",])`)
	for _, file := range files(t, "cmd/negfleet", "_test.go") {
		if call.MatchString(read(t, file)) {
			return
		}
	}
	t.Errorf("%s: negfleet %s is in no test of cmd/negfleet", page, command)
}
