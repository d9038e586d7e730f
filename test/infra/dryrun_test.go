package infra

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// dryRun are the commands that scripts/deploy says it would run, each as its words.
func dryRun(t *testing.T, list string, settings string) [][]string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", filepath.Join("scripts", "deploy"), "--dry-run", "--settings", settings)
	c.Dir = root
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "CLOUDSDK_CONFIG=/nonexistent", "KUBECONFIG=/nonexistent", "NEGFLEET_FUNCTIONS=" + list}
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return commands(string(out))
}

// commands splits what a dry run prints, which is a shell's input of few forms: words, quoted or
// not, one command after another, and if, then, else, fi, ! and || between them.
func commands(text string) (all [][]string) {
	var words []string
	end := func() {
		for len(words) > 0 && slices.Contains([]string{"if", "then", "else", "fi", "!"}, words[0]) {
			words = words[1:]
		}
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	for text != "" {
		switch {
		case text[0] == '\n' || text[0] == ';' || strings.HasPrefix(text, "||"):
			end()
			text = text[max(1, 2*strings.Count(text[:1], "|")):]
		case text[0] == ' ' || text[0] == '\t':
			text = text[1:]
		case text[0] == '#':
			_, text, _ = strings.Cut(text, "\n")
		default:
			var w string
			w, text = word(text)
			words = append(words, w)
		}
	}
	end()
	return all
}

// word takes the first word off a text.
func word(text string) (w, rest string) {
	var b strings.Builder
	for text != "" && !strings.ContainsAny(text[:1], " \t\n;") {
		switch text[0] {
		case '\'':
			quoted, after, _ := strings.Cut(text[1:], "'")
			b.WriteString(quoted)
			text = after
		case '"':
			quoted, after, _ := strings.Cut(text[1:], `"`)
			b.WriteString(quoted)
			text = after
		case '\\':
			b.WriteByte(text[1])
			text = text[2:]
		default:
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String(), text
}

// A call is a gcloud command: its words, and its flags by name.
type call struct {
	words []string
	flags map[string]string
}

func newCall(command []string) call {
	c := call{flags: map[string]string{}}
	for _, w := range command[1:] {
		if name, found := strings.CutPrefix(w, "--"); found {
			name, value, _ := strings.Cut(name, "=")
			c.flags[name] = value
		} else {
			c.words = append(c.words, w)
		}
	}
	return c
}

// is tells whether the command begins so, and returns what follows.
func (c call) is(begin string) ([]string, bool) {
	want := strings.Fields(begin)
	if len(c.words) < len(want) || !slices.Equal(c.words[:len(want)], want) {
		return nil, false
	}
	return c.words[len(want):], true
}

// reads are the commands that make nothing, and those that repeat what another one makes.
var reads = regexp.MustCompile(`\b(describe|update|undelete|access|get-iam-policy|list)\b`)

// promised are the facts of what a dry run would make.
func promised(t *testing.T, all [][]string) (facts []string) {
	t.Helper()
	for _, command := range all {
		switch {
		case command[0] == "scripts/stage":
			facts = append(facts, "source build/stage/"+command[1])
		case command[0] == "bash" && strings.Contains(command[2], "openssl rand"):
			facts = append(facts, "version my-project negfleet-caller-keys")
		case command[0] == "gcloud":
			facts = append(facts, promise(t, newCall(command))...)
		}
	}
	return facts
}

func promise(t *testing.T, c call) []string {
	t.Helper()
	project := c.flags["project"]
	one := func(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }
	if name, ok := c.is("functions deploy"); ok {
		return function(t, name[0], c.flags)
	}
	if name, ok := c.is("run services update"); ok {
		return one("command gcloud run services update %s --no-invoker-iam-check --region=%s --project=%s", name[0], c.flags["region"], project)
	}
	if _, ok := c.is("logging sinks update _Default"); ok {
		exclusion := strings.TrimPrefix(c.flags["add-exclusion"], "name=")
		name, filter, _ := strings.Cut(exclusion, ",filter=")
		return one("exclusion %s %s: %s", project, name, filter)
	}
	if services, ok := c.is("services enable"); ok {
		var facts []string
		for _, service := range services {
			facts = append(facts, "api "+project+" "+service)
		}
		return facts
	}
	if args, ok := c.is("logging sinks create"); ok {
		return one("sink %s %s to %s: %s", project, args[0], args[1], c.flags["log-filter"])
	}
	if args, ok := c.is("secrets versions add"); ok {
		return one("version %s %s", project, args[0])
	}
	if args, ok := c.is("iam roles create"); ok {
		return one("role %s %s: %s", project, args[0], roleFile(t, c.flags["file"]))
	}
	if args, ok := c.is("iam service-accounts create"); ok {
		return one("account %s %s: %s", project, args[0], c.flags["display-name"])
	}
	if args, ok := c.is("secrets create"); ok {
		return one("secret %s %s %s", project, args[0], c.flags["replication-policy"])
	}
	if args, ok := c.is("pubsub topics create"); ok {
		return one("topic %s %s", project, args[0])
	}
	if args, ok := c.is("pubsub subscriptions create"); ok {
		return one("subscription %s %s: %s", project, args[0], subscriptionFlags(c.flags))
	}
	if args, ok := c.is("functions add-invoker-policy-binding"); ok {
		return one("grant %s/services/%s: roles/run.invoker to %s", project, args[0], c.flags["member"])
	}
	if args, ok := c.is("scheduler jobs create http"); ok {
		f := c.flags
		return one("job %s %s %s: %s %s %s %s within %s as %s for %s", project, f["location"], args[0], f["schedule"], f["time-zone"], f["http-method"], f["uri"],
			f["attempt-deadline"], f["oidc-service-account-email"], f["oidc-token-audience"])
	}
	for begin, format := range map[string]string{
		"projects add-iam-policy-binding":             "grant %[1]s: %[3]s to %[4]s",
		"secrets add-iam-policy-binding":              "grant %[2]s/secrets/%[1]s: %[3]s to %[4]s",
		"pubsub topics add-iam-policy-binding":        "grant %[2]s/topics/%[1]s: %[3]s to %[4]s",
		"pubsub subscriptions add-iam-policy-binding": "grant %[2]s/subscriptions/%[1]s: %[3]s to %[4]s",
		"iam service-accounts add-iam-policy-binding": "grant %[2]s/accounts/%[1]s: %[3]s to %[4]s",
	} {
		if args, ok := c.is(begin); ok {
			return one(format, args[0], project, c.flags["role"], c.flags["member"])
		}
	}
	if !reads.MatchString(strings.Join(c.words, " ")) {
		t.Errorf("the dry run has a command that this test does not know: gcloud %v %v", c.words, c.flags)
	}
	return nil
}

// function is one fact for each of its settings, so that a difference is one line.
func function(t *testing.T, name string, flags map[string]string) []string {
	t.Helper()
	facts := map[string]string{
		"where": flags["project"] + " " + flags["region"], "runtime": flags["runtime"], "entry": flags["entry-point"],
		"concurrency": flags["concurrency"], "cpu": flags["cpu"], "memory": flags["memory"], "min": flags["min-instances"], "max": flags["max-instances"],
		"timeout": flags["timeout"], "account": flags["service-account"], "build account": flags["build-service-account"], "build": flags["set-build-env-vars"],
		"ingress": flags["ingress-settings"], "connector": flags["vpc-connector"], "egress": flags["egress-settings"],
	}
	separator := ","
	variables := flags["set-env-vars"]
	if text, found := strings.CutPrefix(variables, "^;^"); found {
		variables, separator = text, ";"
	}
	for each := range strings.SplitSeq(variables, separator) {
		key, value, _ := strings.Cut(each, "=")
		facts["variable "+key] = value
	}
	for each := range strings.SplitSeq(flags["set-secrets"], ",") {
		key, value, _ := strings.Cut(each, "=")
		facts["secret "+key] = value
	}
	lines := factsOf("function "+name, facts)
	if _, found := flags["allow-unauthenticated"]; found {
		lines = append(lines, fmt.Sprintf("grant %s/services/%s: roles/run.invoker to allUsers", flags["project"], name))
	}
	return lines
}

func factsOf(what string, facts map[string]string) (lines []string) {
	for name, value := range facts {
		if value != "" {
			lines = append(lines, fmt.Sprintf("%s: %s %s", what, name, value))
		}
	}
	return lines
}

func subscriptionFlags(f map[string]string) string {
	days := map[string]string{"7d": "604800s", "31d": "2678400s"}
	return fmt.Sprintf("of %s, ack %s s, kept %s, expires %s, retry %s to %s, dead %s after %s, push to %s as %s for %s", f["topic"], f["ack-deadline"],
		days[f["message-retention-duration"]], f["expiration-period"], f["min-retry-delay"], f["max-retry-delay"], f["dead-letter-topic"], f["max-delivery-attempts"],
		f["push-endpoint"], f["push-auth-service-account"], f["push-auth-token-audience"])
}

// roleFile is what gcloud makes of a role's file.
func roleFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var role struct {
		Title, Description, Stage string
		IncludedPermissions       []string `yaml:"includedPermissions"`
	}
	if err := yaml.Unmarshal(data, &role); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s; %s; %s; %s", role.Title, role.Description, role.Stage, strings.Join(role.IncludedPermissions, " "))
}
