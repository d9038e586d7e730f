package conformance

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/gcloud")

// step is a line of a transcript that runs a command below "gcloud compute", and the
// answer that follows it:
//
//	$ COMMAND     its output, or after "! " what it says when it fails
//	~ COMMAND     the same, once it answers so
//	$NAME COMMAND its output is called NAME from here on
//
// Lines before the first command, empty ones and those that begin with # are text.
type step struct{ line, answer string }

func (s step) command() (args, name string, wait, ok bool) {
	head, args, _ := strings.Cut(s.line, " ")
	switch {
	case strings.HasPrefix(head, "$"):
		return args, head[1:], false, true
	case head == "~":
		return args, "", true, true
	}
	return "", "", false, false
}

func parseTranscript(text string) (steps []step) {
	for line := range strings.Lines(text) {
		s := step{line: strings.TrimSuffix(line, "\n")}
		_, _, _, runs := s.command()
		if runs || s.line == "" || strings.HasPrefix(s.line, "#") || len(steps) == 0 {
			steps = append(steps, s)
			continue
		}
		steps[len(steps)-1].answer += line
	}
	return steps
}

// play runs a transcript and holds the answers against it.
func (g gcloud) play(file string) {
	g.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		g.Fatal(err)
	}
	var played strings.Builder
	names := map[string]string{}
	for _, s := range parseTranscript(string(raw)) {
		played.WriteString(s.line + "\n" + g.step(s, names))
	}
	if *update {
		if err := os.WriteFile(file, []byte(played.String()), 0o644); err != nil {
			g.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(raw), "\n"), strings.Split(played.String(), "\n")); diff != "" {
		g.Errorf("-%s +gcloud:\n%s", file, diff)
	}
}

// step runs one step, again until it answers as it should if it is such a one.
func (g gcloud) step(s step, names map[string]string) string {
	g.Helper()
	args, name, wait, ok := s.command()
	if !ok {
		return s.answer
	}
	for name, value := range names {
		args = strings.ReplaceAll(args, name, value)
	}
	answer := g.says(args)
	for deadline := time.Now().Add(time.Minute); wait && answer != s.answer && time.Now().Before(deadline); {
		answer = g.says(args)
	}
	if name != "" {
		names[name] = strings.TrimSpace(answer)
	}
	for name, value := range names {
		answer = strings.ReplaceAll(answer, value, name)
	}
	return answer
}

// says is what a command prints; of one that fails, the reasons.
func (g gcloud) says(args string) string {
	stdout, stderr, err := g.run(args)
	if err == nil {
		return stdout
	}
	return reasons(stderr)
}

func reasons(stderr string) string {
	var list strings.Builder
	for _, m := range reason.FindAllStringSubmatch(stderr, -1) {
		list.WriteString("! " + m[1] + m[2] + "\n")
	}
	if list.Len() == 0 {
		return "! " + stderr
	}
	return list.String()
}

// reason is what gcloud repeats of an error's text: an item of a list, or the rest of a
// line that begins with the command's name and may end in a remark of gcloud's own.
var reason = regexp.MustCompile(`(?m)^(?: - (.+)|ERROR: \S+ (HTTPError .+?)(?: This command is [a-z]+ because .*)?)$`)

func TestReasons(t *testing.T) {
	for stderr, want := range map[string]string{
		"ERROR: (gcloud.compute.x.delete) Could not fetch resource:\n - The resource 'a' was not found\n\n":   "! The resource 'a' was not found\n",
		"ERROR: (gcloud.compute.x.update) HTTPError 400: no. This command is unauthenticated because of it\n": "! HTTPError 400: no.\n",
		"ERROR: (gcloud.compute.x.update) HTTPError 400: no.\n":                                               "! HTTPError 400: no.\n",
		"ERROR: (gcloud.compute.x) unrecognized arguments: b\n":                                               "! ERROR: (gcloud.compute.x) unrecognized arguments: b\n",
	} {
		if got := reasons(stderr); got != want {
			t.Errorf("%q is %q, want %q", stderr, got, want)
		}
	}
}

func TestParseTranscript(t *testing.T) {
	got := parseTranscript("Title.\n\n# Make one.\n$ make a\n$NAME list\none\ntwo\n~ wait NAME\n! no\n\n$ end\n")
	want := []step{
		{"Title.", ""}, {"", ""}, {"# Make one.", ""}, {"$ make a", ""}, {"$NAME list", "one\ntwo\n"}, {"~ wait NAME", "! no\n"}, {"", ""}, {"$ end", ""},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
