package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func (s *suite) missing(t *testing.T) {
	_, err := s.kube.CoreV1().Services(s.ns).Get(t.Context(), "absent", metav1.GetOptions{})
	st := wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
	if diff := cmp.Diff(&metav1.StatusDetails{Name: "absent", Kind: "services"}, st.Details); diff != "" {
		t.Error(diff)
	}
	_, err = s.kube.DiscoveryV1().EndpointSlices(s.ns).Get(t.Context(), "absent", metav1.GetOptions{})
	st = wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
	if diff := cmp.Diff(&metav1.StatusDetails{Name: "absent", Group: "discovery.k8s.io", Kind: "endpointslices"}, st.Details); diff != "" {
		t.Error(diff)
	}
	list, err := s.kube.CoreV1().Services("absent-"+unique()).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("a list in a missing namespace: %d items, error %v; want none", len(list.Items), err)
	}
}

func (s *suite) clusterUID(t *testing.T) {
	first, err := s.kube.CoreV1().Namespaces().Get(t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	must(t, err)
	second, err := s.kube.CoreV1().Namespaces().Get(t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	must(t, err)
	if first.UID == "" || first.UID != second.UID {
		t.Errorf("got UIDs %q and %q", first.UID, second.UID)
	}
}

func (s *suite) listByLabel(t *testing.T) {
	web := "web-" + unique()
	s.slice(t, web+"-1", web)
	s.slice(t, web+"-2", web)
	s.slice(t, web+"x-1", web+"x")
	for _, c := range []struct {
		selector string
		want     []string
	}{
		{discoveryv1.LabelServiceName + "=" + web, []string{web + "-1", web + "-2"}},
		{discoveryv1.LabelServiceName + " in (" + web + "," + web + "x)", []string{web + "-1", web + "-2", web + "x-1"}},
		{discoveryv1.LabelServiceName + "=" + web + "z", nil},
	} {
		list, err := s.kube.DiscoveryV1().EndpointSlices(s.ns).List(t.Context(), metav1.ListOptions{LabelSelector: c.selector})
		must(t, err)
		if diff := cmp.Diff(c.want, names(list.Items)); diff != "" {
			t.Errorf("%s: %s", c.selector, diff)
		}
	}
	_, err := s.kube.CoreV1().Services(s.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "a in"})
	wantStatus(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func names(list []discoveryv1.EndpointSlice) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

// pages reads all slices two at a time, and calls between after the first page.
func (s *suite) pages(t *testing.T, opts metav1.ListOptions, between func()) []*discoveryv1.EndpointSliceList {
	t.Helper()
	opts.Limit = 2
	var out []*discoveryv1.EndpointSliceList
	for {
		p, err := s.kube.DiscoveryV1().EndpointSlices(s.ns).List(t.Context(), opts)
		must(t, err)
		if out = append(out, p); p.Continue == "" {
			return out
		}
		if len(out) == 1 {
			between()
		}
		opts.Continue = p.Continue
	}
}

func (s *suite) paging(t *testing.T) {
	s.clearSlices(t)
	want := []string{"page-a", "page-b", "page-c", "page-d", "page-e"}
	for _, name := range want {
		s.slice(t, name, "page")
	}
	pages := s.pages(t, metav1.ListOptions{}, func() { s.slice(t, "page-cc", "page") })
	var got []string
	for _, p := range pages {
		if p.ResourceVersion != pages[0].ResourceVersion {
			t.Errorf("pages are at versions %s and %s", pages[0].ResourceVersion, p.ResourceVersion)
		}
		got = append(got, names(p.Items)...)
		if left := p.RemainingItemCount; left != nil && *left != int64(len(want)-len(got)) {
			t.Errorf("after %d: %d remain", len(got), *left)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(pages) != 3 {
		t.Errorf("%d pages: %s", len(pages), diff)
	}
}

func (s *suite) clearSlices(t *testing.T) {
	t.Helper()
	must(t, s.kube.DiscoveryV1().EndpointSlices(s.ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
}

func (s *suite) pagingWithSelector(t *testing.T) {
	mine := "sel-" + unique()
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("%s-%d", mine, i)
		want = append(want, name)
		s.slice(t, name, mine)
		s.slice(t, name+"-other", "other")
	}
	var got []string
	for _, p := range s.pages(t, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + mine}, func() {}) {
		if p.RemainingItemCount != nil {
			t.Errorf("remaining items are counted despite a selector: %d", *p.RemainingItemCount)
		}
		got = append(got, names(p.Items)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func (s *suite) badToken(t *testing.T) {
	_, err := s.kube.CoreV1().Services(s.ns).List(t.Context(), metav1.ListOptions{Limit: 1, Continue: "nonsense"})
	wantStatus(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func (s *suite) nodePages(t *testing.T) {
	label := unique()
	want := []string{s.node(t, label).Name, s.node(t, label).Name}
	slices.Sort(want)
	opts := metav1.ListOptions{LabelSelector: "example.test/conformance=" + label, Limit: 1}
	var got []string
	// With a selector a page may be empty and still not the last: only the token says.
	for {
		page, err := s.kube.CoreV1().Nodes().List(t.Context(), opts)
		must(t, err)
		if len(page.Items) > 1 {
			t.Errorf("%d nodes in a page of 1", len(page.Items))
		}
		for _, n := range page.Items {
			got = append(got, n.Name)
			if n.Spec.ProviderID != "gce://demo-project/us-central1-a/vm-"+n.Name {
				t.Errorf("%s: providerID %q", n.Name, n.Spec.ProviderID)
			}
		}
		if opts.Continue = page.Continue; opts.Continue == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func (s *suite) listByName(t *testing.T) {
	svc := s.service(t)
	s.service(t)
	list, err := s.kube.CoreV1().Services(s.ns).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + svc.Name})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].UID != svc.UID {
		t.Errorf("got %d items", len(list.Items))
	}
	_, err = s.kube.CoreV1().Services(s.ns).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nonsense=1"})
	wantStatus(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

// listAtZero allows an old list, which is what version 0 asks for, but not half of one.
func (s *suite) listAtZero(t *testing.T) {
	list, err := s.kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{ResourceVersion: "0", Limit: 1})
	must(t, err)
	if list.Continue != "" || !slices.ContainsFunc(list.Items, func(ns corev1.Namespace) bool { return ns.Name == metav1.NamespaceSystem }) {
		t.Errorf("%d namespaces, continue %q", len(list.Items), list.Continue)
	}
}

func (s *suite) customResource(t *testing.T) {
	gv := schema.GroupVersion{Group: "networking.gke.io", Version: "v1beta1"}
	_, err := s.kube.Discovery().ServerResourcesForGroupVersion(gv.String())
	installed := err == nil
	if !installed && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	res := s.dyn.Resource(gv.WithResource("servicenetworkendpointgroups")).Namespace(s.ns)
	list, err := res.List(t.Context(), metav1.ListOptions{Limit: 1})
	if !installed {
		wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	must(t, err)
	if len(list.Items) != 0 {
		t.Errorf("got %d items in a new namespace", len(list.Items))
	}
	_, err = res.Get(t.Context(), "absent", metav1.GetOptions{})
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}
