package main

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/negfleet/negfleet/infra"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

// facts asks for all there is to know, of the deployment and of the clusters at once.
func (c *consultation) facts(ctx context.Context) (doctor.Facts, error) {
	f := doctor.Facts{Project: c.env.PubSubProject, Expected: c.expected}
	f.OwnPlanes = slices.ContainsFunc(c.clusters, func(k config.Cluster) bool { return k.Resource == neg.GKECluster{} })
	var g errgroup.Group
	g.Go(func() (err error) { f.Clusters, f.Quotas, err = c.patients(ctx); return err })
	g.Go(func() error { c.deployment(ctx, &f); return nil })
	err := g.Wait()
	f.Now = c.now() // the ages of what was read count from here
	if c.google != nil {
		f.Google = c.google.Ahead()
	} else {
		f.Google = doctor.Without[time.Duration](c.gap)
	}
	return f, err
}

// deployment asks what the functions' project and those of the clusters hold.
func (c *consultation) deployment(ctx context.Context, f *doctor.Facts) {
	if c.google == nil {
		c.without(ctx, f)
		return
	}
	project := c.env.PubSubProject
	var g errgroup.Group
	g.Go(func() error { f.Functions = c.google.Functions(ctx, project); return nil })
	g.Go(func() error { f.Subscriptions = c.google.Subscriptions(ctx, project); return nil })
	g.Go(func() error { f.Delivered = c.google.Delivered(ctx, project); return nil })
	if f.OwnPlanes {
		g.Go(func() error { f.Posted = c.google.Posted(ctx, project); return nil })
	}
	g.Go(func() error { f.APIs = c.apis(ctx); return nil })
	g.Go(func() error { f.Rights = c.rights(ctx); return nil })
	g.Go(func() error { f.Sinks, f.Topics = c.sinksAndTopics(ctx); return nil })
	_ = g.Wait() // none fails
	f.Jobs = c.jobs(ctx, f.Functions)
	f.Invokers = c.invokers(ctx, f.Functions)
}

// without are the facts where there is no project to ask.
func (c *consultation) without(ctx context.Context, f *doctor.Facts) {
	f.APIs = []doctor.APIs{{Project: c.subject(), On: doctor.Without[map[string]bool](c.gap)}}
	f.Functions = doctor.Without[map[string]doctor.Deployed](c.gap)
	f.Rights = []doctor.Rights{{Function: "accounts", Project: c.subject(), Held: doctor.Without[map[string]bool](c.gap)}}
	f.Topics = []doctor.Topic{{Name: "publishers", Members: doctor.Without[map[string]bool](c.gap)}}
	f.Jobs = doctor.Without[map[string]doctor.Job](c.gap)
	f.Invokers = []doctor.Invokers{{Subject: "functions", Members: doctor.Without[map[string]bool](c.gap)}}
	f.Sinks = []doctor.Sink{{Project: c.subject(), Destination: doctor.Without[string](c.gap), Written: doctor.Without[time.Time](c.gap)}}
	f.Delivered, f.Posted = doctor.Without[time.Time](c.gap), doctor.Without[time.Time](c.gap)
	f.Subscriptions = doctor.Without[map[string]doctor.Subscription](c.gap)
	if c.gap.Skip && c.env.PubSubProject != "" {
		f.Subscriptions = c.emulated(ctx) // which has subscriptions
	}
}

func (c *consultation) subject() string {
	if c.env.PubSubProject == "" {
		return c.file.Project
	}
	return c.env.PubSubProject
}

// emulated reads subscriptions from a Pub/Sub emulator, which knows nothing of expiry.
func (c *consultation) emulated(ctx context.Context) doctor.Read[map[string]doctor.Subscription] {
	ids := []string{event.TopicDead}
	for _, f := range c.expected {
		for _, s := range f.Receives {
			if s.Topic != "" {
				ids = append(ids, s.Topic+"-"+f.Name)
			}
		}
	}
	got, err := event.Subscriptions(ctx, c.env.PubSubProject, ids)
	if err != nil {
		return doctor.Without[map[string]doctor.Subscription](doctor.Gap{Why: err.Error(), Need: "the emulator at PUBSUB_EMULATOR_HOST"})
	}
	all := map[string]doctor.Subscription{}
	for id, s := range got {
		all[id] = doctor.Subscription{
			Topic: s.Topic, Endpoint: s.Endpoint, AckDeadline: s.AckDeadline, MinBackoff: s.MinBackoff, MaxBackoff: s.MaxBackoff,
			DeadLetterTopic: s.DeadLetterTopic, MaxAttempts: s.MaxAttempts,
		}
	}
	return doctor.Got(all)
}

// deploymentAPIs are those that scripts/deploy switches on and that work from day to day.
var deploymentAPIs = []string{
	"cloudfunctions.googleapis.com", "cloudscheduler.googleapis.com", "iam.googleapis.com", "logging.googleapis.com",
	"pubsub.googleapis.com", "run.googleapis.com", "secretmanager.googleapis.com",
}

func (c *consultation) apis(ctx context.Context) []doctor.APIs {
	want := map[string]map[string]bool{c.env.PubSubProject: {}}
	for _, api := range deploymentAPIs {
		want[c.env.PubSubProject][api] = true
	}
	add := func(project, api string) {
		if want[project] == nil {
			want[project] = map[string]bool{}
		}
		want[project][api] = true
	}
	for _, k := range c.clusters {
		add(k.Project, "compute.googleapis.com")
		if k.Resource != (neg.GKECluster{}) {
			add(k.Resource.Project, "container.googleapis.com")
			add(k.Resource.Project, "logging.googleapis.com")
		}
		if k.Connect.Gateway != "" {
			// The gateway's project goes by its number in the fleet file; the API takes that too.
			add(strings.Split(k.Connect.Gateway, "/")[1], "connectgateway.googleapis.com")
		}
	}
	var all []doctor.APIs
	for _, project := range slices.Sorted(maps.Keys(want)) {
		all = append(all, c.google.APIs(ctx, project, slices.Sorted(maps.Keys(want[project]))))
	}
	return all
}

// rights asks what each function's account may do in each project of the clusters.
func (c *consultation) rights(ctx context.Context) []doctor.Rights {
	gke := map[string]bool{} // by project: it has GKE clusters
	for _, k := range c.clusters {
		gke[k.Project] = gke[k.Project] || k.Resource != (neg.GKECluster{})
	}
	var all []doctor.Rights
	for _, project := range slices.Sorted(maps.Keys(gke)) {
		for _, f := range c.expected {
			want := rolePermissions(f.Name)
			if gke[project] {
				want = append(want, rolePermissions("clusters")...)
			}
			if len(want) == 0 {
				continue
			}
			all = append(all, doctor.Rights{Function: "negfleet-" + f.Name, Project: project, Account: c.account(f.Name), Want: want})
		}
	}
	if host, shared := c.sharedVPC(); shared {
		all = append(all, doctor.Rights{Function: "negfleet-reconcile", Project: host, Account: c.account("reconcile"), Want: rolePermissions("network")})
	}
	var g errgroup.Group
	g.SetLimit(8)
	for i := range all {
		g.Go(func() error {
			all[i].Held, all[i].Asked = c.google.Held(ctx, all[i].Account, all[i].Project, all[i].Want)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return all
}

// sharedVPC is the project of the network, where that is no project of a cluster.
func (c *consultation) sharedVPC() (host string, shared bool) {
	_, rest, _ := strings.Cut(c.file.Network, "projects/")
	host, _, _ = strings.Cut(rest, "/")
	own := slices.ContainsFunc(c.clusters, func(k config.Cluster) bool { return k.Project == host })
	return host, host != "" && !own
}

// account is the service account that scripts/deploy gives a function.
func (c *consultation) account(name string) string {
	return "negfleet-" + name + "@" + c.env.PubSubProject + ".iam.gserviceaccount.com"
}

// rolePermissions are those of a role of infra/roles; none if there is no such file.
func rolePermissions(name string) []string {
	data, err := fs.ReadFile(infra.Files, "roles/"+name+".yaml")
	if err != nil {
		return nil
	}
	var role struct {
		IncludedPermissions []string `json:"includedPermissions"`
	}
	if err := yaml.Unmarshal(data, &role); err != nil {
		panic("infra/roles/" + name + ".yaml: " + err.Error()) // it is built in
	}
	return role.IncludedPermissions
}

func (c *consultation) sinksAndTopics(ctx context.Context) ([]doctor.Sink, []doctor.Topic) {
	filter, err := infra.Files.ReadFile("log-sink.filter")
	if err != nil {
		panic(err) // it is built in
	}
	publishers := c.publishers()
	var sinks []doctor.Sink
	if _, listens := publishers[event.TopicAudit]; listens {
		for _, project := range c.gkeProjects() {
			s, writer := c.google.Sink(ctx, project, "projects/"+c.env.PubSubProject+"/topics/"+event.TopicAudit, string(filter))
			sinks = append(sinks, s)
			if writer != "" {
				publishers[event.TopicAudit] = append(publishers[event.TopicAudit], writer)
			}
		}
	}
	// Pub/Sub itself publishes what is given up.
	if number := c.google.Number(ctx, c.env.PubSubProject); number.Gap == nil {
		publishers[event.TopicDead] = []string{"serviceAccount:service-" + number.Value + "@gcp-sa-pubsub.iam.gserviceaccount.com"}
	}
	var topics []doctor.Topic
	for _, name := range slices.Sorted(maps.Keys(publishers)) {
		topics = append(topics, c.google.Topic(ctx, c.env.PubSubProject, doctor.Topic{Name: name, Want: publishers[name]}))
	}
	return sinks, topics
}

// publishers are the functions' accounts that publish to each topic of the deployment.
func (c *consultation) publishers() map[string][]string {
	all := map[string][]string{event.TopicDead: nil}
	for _, f := range c.expected {
		for _, s := range f.Receives {
			if s.Topic != "" {
				all[s.Topic] = append(all[s.Topic], []string{}...)
			}
		}
		for _, topic := range f.Publishes {
			all[topic] = append(all[topic], "serviceAccount:"+c.account(f.Name))
		}
	}
	return all
}

// gkeProjects are those whose audit log has writes of the clusters.
func (c *consultation) gkeProjects() []string {
	all := map[string]bool{}
	for _, k := range c.clusters {
		if k.Resource != (neg.GKECluster{}) {
			all[k.Resource.Project] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// jobs asks the Scheduler in the region of what it calls.
func (c *consultation) jobs(ctx context.Context, functions doctor.Read[map[string]doctor.Deployed]) doctor.Read[map[string]doctor.Job] {
	if functions.Gap != nil {
		return doctor.Without[map[string]doctor.Job](*functions.Gap)
	}
	for _, f := range c.expected {
		if at, there := functions.Value[f.Name]; there && slices.Contains(f.Receives, doctor.Source{}) {
			return c.google.Jobs(ctx, c.env.PubSubProject, at.Region)
		}
	}
	return doctor.Got(map[string]doctor.Job{}) // without the function nobody could be called
}

// invokers asks who may call each function that is there.
func (c *consultation) invokers(ctx context.Context, functions doctor.Read[map[string]doctor.Deployed]) []doctor.Invokers {
	if functions.Gap != nil {
		return []doctor.Invokers{{Subject: "functions", Members: doctor.Without[map[string]bool](*functions.Gap)}}
	}
	var all []doctor.Invokers
	for _, f := range c.expected {
		if functions.Value[f.Name].Service != "" {
			all = append(all, doctor.Invokers{Subject: "negfleet-" + f.Name, Of: f})
		}
	}
	var g errgroup.Group
	for i := range all {
		g.Go(func() error {
			all[i].Members = c.google.Invokers(ctx, c.env.PubSubProject, functions.Value[all[i].Of.Name].Service)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return all
}
