package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Subscription is one as it is.
type Subscription struct {
	Topic           string // full name; _deleted-topic_ when it is gone
	State           string // ACTIVE, or empty where nobody says
	AckDeadline     time.Duration
	MinBackoff      time.Duration
	MaxBackoff      time.Duration // zero: no retry policy
	DeadLetterTopic string        // full name
	MaxAttempts     int
	Endpoint        string // empty: pull
	Account         string // that the pushes are signed as; empty: unsigned
	Audience        string
	Expires         bool // after a time without deliveries
}

const (
	deadTopic   = "negfleet-dead"
	ackDeadline = 600 * time.Second // a look may take 500 s
	maxBackoff  = time.Minute
)

func (f *Facts) subscriptions() []Finding {
	if f.Subscriptions.Gap != nil {
		return []Finding{check{"subscriptions", cmp.Or(f.Project, "-")}.gap(f.Subscriptions.Gap)}
	}
	var all []Finding
	for _, want := range f.Expected {
		for _, s := range want.Receives {
			if s.Topic != "" {
				all = append(all, f.push(want, s))
			}
		}
	}
	return append(all, f.dead())
}

// push judges the subscription that brings a topic to a function.
func (f *Facts) push(to Function, from Source) Finding {
	c := check{"subscriptions", from.Topic + "-" + to.Name}
	s, there := f.Subscriptions.Value[c.subject]
	if !there {
		return c.finding(Problem, again, "not in project %s: nothing of topic %s reaches the function", f.Project, from.Topic)
	}
	wrong := s.delivery(f.Project, from.Topic)
	if s.Endpoint == "" {
		wrong = append(wrong, remark{Problem, "it is a pull subscription: nobody pulls", again})
		return c.sum(wrong, "")
	}
	wrong = append(wrong, s.signature()...)
	if url := f.Functions.Value[to.Name].URL; url != "" {
		if s.Endpoint != url+from.Path {
			wrong = append(wrong, remark{Problem, fmt.Sprintf("pushes to %s, the function is at %s", s.Endpoint, url+from.Path), again})
		}
		if s.Account != "" && s.Audience != url {
			wrong = append(wrong, remark{Problem, fmt.Sprintf("its tokens are for %q, the function takes those for %s: 401", s.Audience, url), again})
		}
	}
	return c.sum(wrong, "%d s to answer, retried after %s to %s, given up after %d", int(s.AckDeadline.Seconds()), age(s.MinBackoff), age(s.MaxBackoff), s.MaxAttempts)
}

const again = "scripts/deploy --from subscriptions"

// delivery is what is wrong with how messages come and what becomes of those that fail.
func (s Subscription) delivery(project, topic string) (wrong []remark) {
	add := func(status Status, format string, args ...any) {
		wrong = append(wrong, remark{status, fmt.Sprintf(format, args...), again})
	}
	if want := "projects/" + project + "/topics/" + topic; s.Topic != want {
		add(Problem, "subscribes to %s, not to %s: delete it first", s.Topic, want)
	}
	if s.State != "" && s.State != "ACTIVE" {
		add(Problem, "state %s", s.State)
	}
	if s.AckDeadline < ackDeadline {
		add(Problem, "%d s to answer, a look may take 500 s: it would be delivered again meanwhile", int(s.AckDeadline.Seconds()))
	}
	switch {
	case s.MaxBackoff == 0:
		add(Warning, "no retry policy: what fails comes back at once")
	case s.MaxBackoff > maxBackoff:
		add(Warning, "retried after up to %s, 60 s is wanted", age(s.MaxBackoff))
	}
	if s.DeadLetterTopic != "projects/"+project+"/topics/"+deadTopic {
		add(Warning, "no dead letters to %s: what fails for ever comes for ever", deadTopic)
	}
	if s.Expires {
		add(Warning, "expires after a time without deliveries")
	}
	return wrong
}

// signature is what is wrong with how a push shows who it is. What goes over plain HTTP
// goes to an emulator, which asks for nothing.
func (s Subscription) signature() []remark {
	if s.Account == "" && strings.HasPrefix(s.Endpoint, "https://") {
		return []remark{{Problem, "its pushes carry no token: the function answers 403", again}}
	}
	return nil
}

// dead judges where messages wait that were given up.
func (f *Facts) dead() Finding {
	c := check{"subscriptions", deadTopic}
	needed := slices.ContainsFunc(f.Expected, func(want Function) bool {
		return slices.ContainsFunc(want.Receives, func(s Source) bool {
			return f.Subscriptions.Value[s.Topic+"-"+want.Name].DeadLetterTopic != ""
		})
	})
	s, there := f.Subscriptions.Value[deadTopic]
	switch {
	case !there && needed:
		return c.finding(Warning, "scripts/deploy --from topics", "nobody subscribes to the dead letters: they are lost")
	case !there:
		return c.finding(Skipped, "", "no subscription gives anything up")
	case s.Endpoint != "":
		return c.finding(Warning, "delete it; scripts/deploy --from topics", "pushes to %s; negfleet replay needs a pull subscription", s.Endpoint)
	case s.Expires:
		return c.finding(Warning, "gcloud pubsub subscriptions update "+deadTopic+" --expiration-period=never", "expires after a time without a reader, and the letters with it")
	}
	return c.ok("keeps what was given up, for negfleet replay")
}

// A Job is one of Cloud Scheduler.
type Job struct {
	State   string // ENABLED, PAUSED, DISABLED, …
	URI     string
	Account string    // that the calls are signed as; empty: unsigned
	Last    time.Time // attempt; zero: none yet
	Code    int64     // google.rpc.Code of the last attempt
	Text    string
}

// jobAge is how old the last call may be: two of every ten minutes, and one that is late.
const jobAge = 25 * time.Minute

func (f *Facts) jobs() []Finding {
	var all []Finding
	for _, want := range f.Expected {
		if !slices.Contains(want.Receives, Source{}) {
			continue
		}
		c := check{"scheduler", "negfleet-" + want.Name}
		if f.Jobs.Gap != nil {
			all = append(all, c.gap(f.Jobs.Gap))
			continue
		}
		job, there := f.Jobs.Value[want.Name]
		if !there {
			all = append(all, c.finding(Problem, reschedule, "there is no such job: nothing sweeps, and no Lease is renewed"))
			continue
		}
		all = append(all, c.sum(job.wrong(f.now(), f.Functions.Value[want.Name].URL), "last called %s ago, answered as it should", age(f.now().Sub(job.Last))))
	}
	return all
}

const reschedule = "scripts/deploy --from schedule"

func (j Job) wrong(now time.Time, url string) (wrong []remark) {
	if j.State != "ENABLED" {
		wrong = append(wrong, remark{Problem, "state " + j.State, "gcloud scheduler jobs resume"})
	}
	if url != "" && strings.TrimSuffix(j.URI, "/") != strings.TrimSuffix(url, "/") {
		wrong = append(wrong, remark{Problem, fmt.Sprintf("calls %s, the function is at %s", j.URI, url), reschedule})
	}
	switch {
	case j.Last.IsZero():
		wrong = append(wrong, remark{Warning, "was never called", "wait ten minutes, or gcloud scheduler jobs run"})
	case now.Sub(j.Last) > jobAge:
		wrong = append(wrong, remark{Problem, "last called " + age(now.Sub(j.Last)) + " ago, it should be every ten minutes", "gcloud scheduler jobs describe says why"})
	}
	if j.Code != 0 {
		wrong = append(wrong, remark{Problem, fmt.Sprintf("the last call failed: code %d %s", j.Code, j.Text), "see the log of the function, and the right to call it: scripts/deploy --from schedule"})
	}
	return wrong
}
