package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"
	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/rbac"
	"github.com/negfleet/negfleet/test/fakeapis"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// examined runs doctor --json and returns its findings by check and subject.
func examined(t *testing.T, w *world, args ...string) (code int, found map[string]doctor.Finding) {
	t.Helper()
	code, out, errs := w.run(append([]string{"doctor", "--json"}, args...)...)
	var all []doctor.Finding
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	found = map[string]doctor.Finding{}
	for _, f := range all {
		found[f.Check+" "+f.Subject] = f
	}
	return code, found
}

// holds compares findings with their status and a part of their evidence, as STATUS: PART.
func holds(t *testing.T, found map[string]doctor.Finding, want map[string]string) {
	t.Helper()
	for name, w := range want {
		status, part, _ := strings.Cut(w, ": ")
		f, ok := found[name]
		if !ok || string(f.Status) != status || !strings.Contains(f.Evidence, part) {
			t.Errorf("%s: %+v, want %s", name, f, w)
		}
	}
}

// wards are the instances of the world's nodes, with their Pods' addresses as aliases.
func wards(w *world) {
	w.check(w.gce.Seed(fakegce.Seed{Projects: []string{"p1"}, Instances: []fakegce.Instance{
		{Zone: "us-central1-a", Name: "vm-c1-0000", IP: "10.128.0.2", AliasRanges: []string{"10.0.0.0/9"}},
		{Zone: "us-central1-b", Name: "vm-c1-0001", IP: "10.128.0.3", AliasRanges: []string{"10.0.0.0/9"}},
	}}))
}

func openFirewall(w *world, ports ...string) {
	w.t.Helper()
	api, err := compute.NewService(w.t.Context(), option.WithEndpoint(w.env["NEGFLEET_COMPUTE_ENDPOINT"]), option.WithoutAuthentication())
	w.check(err)
	_, err = api.Firewalls.Insert("p1", &compute.Firewall{
		Name: "health", Network: "global/networks/default", SourceRanges: []string{"35.191.0.0/16", "130.211.0.0/22"},
		Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: ports}},
	}).Do()
	w.check(err)
}

func renewLease(w *world, age time.Duration) {
	w.t.Helper()
	w.check(w.cluster.Apply(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: neg.LeaseNamespace, Name: neg.LeaseName},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: time.Now().Add(-age)}},
	}))
}

// applyRoles gives the cluster infra/rbac, bound to users that are named after the functions.
func applyRoles(w *world, user func(function string) string) {
	w.t.Helper()
	shipped, err := rbac.Shipped()
	w.check(err)
	for r, g := range shipped {
		at := metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name}
		for i := range g.Subjects {
			g.Subjects[i].Name = user(g.Subjects[i].Name)
		}
		if r.Namespace == "" {
			w.check(w.cluster.Apply(&rbacv1.ClusterRole{ObjectMeta: at, Rules: g.Rules},
				&rbacv1.ClusterRoleBinding{ObjectMeta: at, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: r.Name}, Subjects: g.Subjects}))
			continue
		}
		w.check(w.cluster.Apply(&rbacv1.Role{ObjectMeta: at, Rules: g.Rules},
			&rbacv1.RoleBinding{ObjectMeta: at, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: r.Name}, Subjects: g.Subjects}))
	}
}

func asNamed(function string) string { return function }

// TestDoctorBeforeEmulators: what only Google can say is skipped, what the cluster and the
// Compute API say is judged.
func TestDoctorBeforeEmulators(t *testing.T) {
	w := newWorld(t, "")
	code, found := examined(t, w)
	if code != 1 {
		t.Errorf("exit %d, want 1: nothing is prepared", code)
	}
	holds(t, found, map[string]string{
		"apis p1": "skipped: an emulator", "roles accounts in p1": "skipped: an emulator", "scheduler negfleet-sweep": "skipped: an emulator",
		"reach c1": "ok: answers with the UID", "add-on c1": "ok: not known as a GKE cluster",
		"vpc-native c1": "problem: no such instance in project p1: vm-c1-0000, vm-c1-0001", "firewall c1": "unknown: 4 addresses of 4",
		"lease c1": "problem: there is no Lease", "webhook c1": "warning: not registered", "rbac c1": "problem: no ClusterRole negfleet-admission; ", "clock c1": "ok: within 1 s",
		"quota p1 us-central1": "ok: NETWORK_ENDPOINT_GROUPS 0 of 2500",
	})

	wards(w)
	renewLease(w, time.Minute)
	openFirewall(w, "443")
	code, found = examined(t, w, "c1")
	holds(t, found, map[string]string{
		"vpc-native c1": "ok: 4 addresses", "lease c1": "ok: renewed 60 s ago",
		"firewall c1": "problem: closed: 130.211.0.0/22 to tcp:80, allowed by no rule on 2 instances",
	})
	if code != 1 {
		t.Errorf("exit %d with a closed firewall", code)
	}
}

func TestDoctorIsContent(t *testing.T) {
	w := newWorld(t, "")
	wards(w)
	renewLease(w, time.Minute)
	openFirewall(w)
	applyRoles(w, asNamed)
	code, out, errs := w.run("doctor", "c1")
	if code != 0 || errs != "" || !strings.Contains(out, "0 problem, 0 unknown") || !regexp.MustCompile(`(?m)^ok +firewall +c1 +default lets`).MatchString(out) {
		t.Errorf("exit %d: %s\n%s", code, out, errs)
	}
	if writes := w.kube.Writes(); len(writes) > 0 {
		t.Errorf("it wrote %v", writes)
	}
}

// TestDoctorOfADrainingCluster: one that answers and drains is examined as any other.
func TestDoctorOfADrainingCluster(t *testing.T) {
	w := newWorld(t, "  state: draining\n")
	wards(w)
	renewLease(w, time.Minute)
	openFirewall(w)
	applyRoles(w, asNamed)
	code, found := examined(t, w, "c1")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	holds(t, found, map[string]string{"reach c1": "ok: answers with the UID of the fleet file, which says that it drains", "lease c1": "ok: renewed 60 s ago", "rbac c1": "ok: 8 roles"})
}

// TestDoctorRefusedInTheCluster: what the caller may not read is unknown, with the right
// that it takes.
func TestDoctorRefusedInTheCluster(t *testing.T) {
	w := newWorld(t, "")
	for _, resource := range []string{"leases", "endpointslices", "clusterrolebindings"} {
		w.kube.Inject(fakekube.Fault{Resource: resource, Status: 403})
	}
	w.check(w.gce.AddFaults(fakegce.Fault{Path: "/global/firewalls", Status: 403}))
	_, found := examined(t, w)
	for name, need := range map[string]string{
		"rbac c1":       "get clusterroles and list clusterrolebindings",
		"lease c1":      "get leases.coordination.k8s.io in namespace negfleet",
		"vpc-native c1": "list services, endpointslices", "firewall c1": "compute.firewalls.list",
	} {
		if f := found[name]; f.Status != doctor.Unknown || !strings.Contains(f.Do, need) {
			t.Errorf("%s: %+v, want unknown, needs %s", name, f, need)
		}
	}
}

// TestDoctorLooksAtTheWebhook: it is asked as the API server would ask, with the roots that
// the registration names, and its secret path is told to nobody.
func TestDoctorLooksAtTheWebhook(t *testing.T) {
	const path = "/v1/c1/secret"
	function := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if r.URL.Path != path || json.NewDecoder(r.Body).Decode(&review) != nil || review.Request.DryRun == nil || !*review.Request.DryRun {
			http.NotFound(w, r)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(function.Close)
	function.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake fails on purpose
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: function.Certificate().Raw})
	ignore, fail := registrationv1.Ignore, registrationv1.Fail
	for name, c := range map[string]struct {
		status int
		config *registrationv1.MutatingWebhook
		want   string // STATUS: part of the evidence
	}{
		"fine":                {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path, ca), FailurePolicy: &ignore}, "ok: trusted by the registration's caBundle"},
		"not trusted":         {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path, nil), FailurePolicy: &ignore}, "problem: certificate"},
		"no CA in caBundle":   {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path, []byte("x")), FailurePolicy: &ignore}, "problem: holds no certificate"},
		"a stale path":        {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path+"x", ca), FailurePolicy: &ignore}, "problem: 404: it does not accept this cluster's path"},
		"it denies":           {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path, ca), FailurePolicy: &fail}, "problem: failurePolicy Fail"},
		"a policy not said":   {200, &registrationv1.MutatingWebhook{ClientConfig: byURL(function.URL+path, ca)}, "problem: failurePolicy Fail"},
		"nobody is there":     {200, &registrationv1.MutatingWebhook{ClientConfig: byURL("https://127.0.0.1:1"+path, ca), FailurePolicy: &ignore}, "problem: refused"},
		"not registered":      {404, nil, "warning: not registered"},
		"may not be read":     {403, nil, "unknown: forbidden"},
		"the API is unwell":   {500, nil, "unknown: "},
		"by Service, not URL": {200, &registrationv1.MutatingWebhook{FailurePolicy: &ignore}, "problem: not registered by URL"},
	} {
		t.Run(name, func(t *testing.T) {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				if c.config == nil {
					reason := map[int]metav1.StatusReason{403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound, 500: metav1.StatusReasonInternalError}[c.status]
					_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(c.status), Message: "forbidden"})
					return
				}
				_ = json.NewEncoder(w).Encode(registrationv1.MutatingWebhookConfiguration{
					TypeMeta: metav1.TypeMeta{Kind: "MutatingWebhookConfiguration", APIVersion: "admissionregistration.k8s.io/v1"}, Webhooks: []registrationv1.MutatingWebhook{*c.config},
				})
			}))
			defer api.Close()
			k := doctor.Cluster{Name: "c1", State: "active", Webhook: read(func() (doctor.Webhook, error) {
				return lookAtWebhook(t.Context(), &rest.Config{Host: api.URL})
			}, "the right")}
			for _, f := range doctor.Examine(doctor.Facts{Clusters: []doctor.Cluster{k}}) {
				if f.Check != "webhook" {
					continue
				}
				holds(t, map[string]doctor.Finding{"webhook": f}, map[string]string{"webhook": c.want})
				if strings.Contains(f.Evidence+f.Do, "secret") {
					t.Errorf("it tells the path: %+v", f)
				}
				if c.status == 403 && f.Do != "the right" {
					t.Errorf("needs %q", f.Do)
				}
			}
		})
	}
}

func byURL(url string, ca []byte) registrationv1.WebhookClientConfig {
	return registrationv1.WebhookClientConfig{URL: &url, CABundle: ca}
}

// withAPIs gives the world the APIs of a project, and a GKE cluster.
func withAPIs(t *testing.T) (*world, *fakeapis.Server, *fakecontainer.Server) {
	t.Helper()
	const resource = "projects/p1/locations/us-central1/clusters/c1"
	w := newWorld(t, "  resource: "+resource+"\n")
	apis := fakeapis.New("p1", "123456789012")
	server := httptest.NewServer(apis)
	t.Cleanup(server.Close)
	gke := fakecontainer.New(fakecontainer.Options{})
	w.env["NEGFLEET_APIS_ENDPOINT"], w.env["NEGFLEET_CONTAINER_ENDPOINT"] = server.URL, fakecontainer.Start(t, gke)
	w.env["PUBSUB_PROJECT_ID"] = "p1"
	return w, apis, gke
}

// TestDoctorBeforeAnything: a project in which nothing was deployed yet.
func TestDoctorBeforeAnything(t *testing.T) {
	w, apis, gke := withAPIs(t)
	seedGKE(t, gke, `{"addonsConfig":{"httpLoadBalancing":{"disabled":false}},"controlPlaneEgress":{"mode":"NONE"}}`)
	_, found := examined(t, w)
	holds(t, found, map[string]string{
		"clock this machine":                    "ok: within 1 s of Google's",
		"apis p1":                               "problem: off: cloudfunctions.googleapis.com",
		"functions negfleet-sweep":              "problem: not in project p1",
		"roles negfleet-reconcile in p1":        "problem: negfleet-reconcile@p1.iam.gserviceaccount.com lacks compute.backendServices.create",
		"roles negfleet-events in p1":           "problem: lacks container.clusters.connect, container.clusters.get",
		"topics negfleet-keys":                  "problem: no such topic",
		"subscriptions negfleet-keys-reconcile": "problem: nothing of topic negfleet-keys",
		"scheduler negfleet-sweep":              "problem: no such job",
		"sink p1":                               "problem: no sink negfleet-audit",
		"delivery p1":                           "unknown: no write is in the log",
		"add-on c1":                             "problem: negs: gke fits",
		"egress c1":                             "problem: egress is NONE",
		"vpc-native c1":                         "problem: routes-based",
	})
	if unknown := apis.Unknown(); len(unknown) > 0 {
		t.Errorf("calls that the stand-in does not know: %q", unknown)
	}
	seedGKE(t, gke, `{"addonsConfig":{"httpLoadBalancing":{"disabled":true}},"ipAllocationPolicy":{"useIpAliases":true}}`)
	_, found = examined(t, w)
	holds(t, found, map[string]string{"add-on c1": "ok: off", "egress c1": "ok: ", "vpc-native c1": "ok: by alias addresses"})
}

// TestDoctorLooksAtRoles: an old role, a missing one, and one for somebody else. Where a
// kubeconfig leads to the cluster nobody here knows who the functions are.
func TestDoctorLooksAtRoles(t *testing.T) {
	w := newWorld(t, "")
	applyRoles(w, func(function string) string { return "their-own-" + function })
	_, found := examined(t, w)
	holds(t, found, map[string]string{"rbac c1": "ok: 8 roles as in infra/rbac, and bound"})
	way, err := clientcmd.BuildConfigFromFlags("", filepath.Join(filepath.Dir(w.env["NEGFLEET_FLEET"]), "c1.kubeconfig"))
	w.check(err)
	for connect, users := range map[config.Connect][]string{
		{Kubeconfig: "path"}: nil,
		{Gateway: "name"}:    {"negfleet-events@p1.iam.gserviceaccount.com", "negfleet-audit@p1.iam.gserviceaccount.com"},
	} {
		c := &consultation{env: config.Env{PubSubProject: "p1"}, expected: []doctor.Function{{Name: "events"}, {Name: "audit"}}}
		grants, err := c.grants(t.Context(), config.Cluster{Connect: connect}, way)
		if w.check(err); len(grants) != 1 || !slices.Equal(grants[0].Users, users) || !slices.Equal(grants[0].Bound, []string{"their-own-negfleet-events", "their-own-negfleet-audit"}) {
			t.Errorf("%+v, want users %q", grants, users)
		}
	}

	shipped, err := rbac.Shipped()
	w.check(err)
	events := shipped[rbac.Role{Name: "negfleet-events"}]
	w.check(w.cluster.Apply(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "negfleet-events"}, Rules: events.Rules[:1]}))
	_, found = examined(t, w)
	holds(t, found, map[string]string{"rbac c1": "problem: ClusterRole negfleet-events does not allow to get endpointslices.discovery.k8s.io, list services"})

	w.check(w.cluster.Apply(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "negfleet-sweep"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "negfleet-sweep"}}))
	w.env["NEGFLEET_FUNCTIONS"] = filepath.Join(t.TempDir(), "list")
	w.check(os.WriteFile(w.env["NEGFLEET_FUNCTIONS"], []byte("sweep functions/sweep Sweep schedule negfleet-keys private\n"), 0o600))
	_, found = examined(t, w)
	holds(t, found, map[string]string{"rbac c1": "problem: ClusterRole negfleet-sweep is bound to nobody"})
}

// TestDoctorSharedVPC: reconcile needs the network of another project.
func TestDoctorSharedVPC(t *testing.T) {
	w, _, _ := withAPIs(t)
	file := w.env["NEGFLEET_FLEET"]
	text, err := os.ReadFile(file)
	w.check(err)
	w.check(os.WriteFile(file, bytes.Replace(text, []byte("network: default"), []byte("network: projects/host/global/networks/shared"), 1), 0o600))
	_, found := examined(t, w)
	holds(t, found, map[string]string{"roles negfleet-reconcile in host": "problem: lacks compute.networks.use, compute.subnetworks.use"})
}

func seedGKE(t *testing.T, gke *fakecontainer.Server, text string) {
	t.Helper()
	var cluster map[string]any
	if err := json.Unmarshal([]byte(text), &cluster); err != nil {
		t.Fatal(err)
	}
	if err := gke.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "us-central1", Name: "c1", Cluster: cluster}}}); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorRefusedByGoogle: without rights in the project all of it is unknown, and the
// permission is named.
func TestDoctorRefusedByGoogle(t *testing.T) {
	w, apis, _ := withAPIs(t)
	apis.Refuse("/")
	code, found := examined(t, w)
	for name, need := range map[string]string{
		"apis p1": "serviceusage.services.get", "functions p1": "cloudfunctions.functions.list", "roles negfleet-sweep in p1": "resourcemanager.projects.getIamPolicy",
		"topics negfleet-keys": "pubsub.topics.getIamPolicy", "subscriptions p1": "pubsub.subscriptions.list", "scheduler negfleet-sweep": "cloudfunctions.functions.list",
		"sink p1": "logging.sinks.get", "delivery p1": "logging.logEntries.list",
	} {
		if f := found[name]; f.Status != doctor.Unknown || f.Do != need+" in project p1" {
			t.Errorf("%s: %+v, want unknown, needs %s", name, f, need)
		}
	}
	if code != 1 { // the cluster of the fleet file is not in the container API
		t.Errorf("exit %d", code)
	}
}

func TestDoctorRefuses(t *testing.T) {
	w := newWorld(t, "")
	if code, out, errs := w.run("doctor", "c1", "c2"); code != 1 || out != "" || !strings.Contains(errs, `cluster "c2" is not in the fleet file`) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if code, out, errs := w.run("doctor", "--checks", "reach,addon"); code != 2 || out != "" || !strings.Contains(errs, `no check "addon"; there are clock, `) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if _, found := examined(t, w, "--checks=reach,add-on"); len(found) != 2 || found["reach c1"].Status != doctor.OK {
		t.Errorf("two checks: %+v", found)
	}
	w.env["NEGFLEET_FUNCTIONS"] = filepath.Join(t.TempDir(), "none")
	if code, _, errs := w.run("doctor", "c1", "--json"); code != 1 || !strings.Contains(errs, "NEGFLEET_FUNCTIONS: ") {
		t.Errorf("exit %d, %q", code, errs)
	}
	w.check(os.WriteFile(w.env["NEGFLEET_FUNCTIONS"], []byte("sweep functions/sweep Sweep schedule negfleet-keys private\n"), 0o600))
	if _, found := examined(t, w); len(found) == 0 {
		t.Error("no finding")
	}
}
