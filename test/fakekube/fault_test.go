package fakekube_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/test/fakekube"
)

func TestFaultStatus(t *testing.T) {
	for _, c := range []struct {
		status int
		is     func(error) bool
	}{
		{http.StatusUnauthorized, apierrors.IsUnauthorized},
		{http.StatusForbidden, apierrors.IsForbidden},
		{http.StatusNotFound, apierrors.IsNotFound},
		{http.StatusConflict, apierrors.IsConflict},
		{http.StatusGone, apierrors.IsResourceExpired},
		{http.StatusTooManyRequests, apierrors.IsTooManyRequests},
		{http.StatusInternalServerError, apierrors.IsInternalError},
		{http.StatusServiceUnavailable, apierrors.IsServiceUnavailable},
		{http.StatusGatewayTimeout, apierrors.IsTimeout},
	} {
		l := newLab(t)
		f := l.Inject(fakekube.Fault{Verb: "get", Resource: "services", Status: c.status})
		_, err := l.kube.CoreV1().Services("shop").Get(t.Context(), "web", metav1.GetOptions{})
		if !c.is(err) || f.Hits() != 1 {
			t.Errorf("%d: got %v after %d hits", c.status, err, f.Hits())
		}
	}
}

func TestForbiddenSaysWho(t *testing.T) {
	l := newLab(t)
	l.Inject(fakekube.Fault{Status: http.StatusForbidden, User: "alice"})
	_, err := l.kube.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	want := `pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "shop"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := client(t, l.c.Config(l.url, "bob")).CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("bob: %v", err)
	}
}

// TestFaultTurns reads which of six calls are hit.
func TestFaultTurns(t *testing.T) {
	for _, c := range []struct {
		fault fakekube.Fault
		want  string
	}{
		{fakekube.Fault{}, "xxxxxx"},
		{fakekube.Fault{Nth: 3}, "..xxxx"},
		{fakekube.Fault{Times: 2}, "xx...."},
		{fakekube.Fault{Nth: 2, Times: 1}, ".x...."},
		{fakekube.Fault{Cluster: "b"}, "......"},
		{fakekube.Fault{Verb: "list"}, "......"},
		{fakekube.Fault{Resource: "services/status"}, "......"},
		{fakekube.Fault{Namespace: "shop", Name: "web"}, "xxxxxx"},
		{fakekube.Fault{Name: "other"}, "......"},
		{fakekube.Fault{Continued: true}, "......"},
	} {
		l := newLab(t)
		c.fault.Status = http.StatusForbidden
		l.Inject(c.fault)
		got := ""
		for range 6 {
			_, err := l.kube.CoreV1().Services("shop").Get(t.Context(), "web", metav1.GetOptions{})
			if apierrors.IsForbidden(err) {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.fault, got, c.want)
		}
	}
}

func TestFaultProbability(t *testing.T) {
	l := newLab(t)
	f := l.Inject(fakekube.Fault{Status: http.StatusForbidden, Probability: 0.3})
	for range 200 {
		_, _ = l.kube.CoreV1().Services("shop").Get(t.Context(), "web", metav1.GetOptions{})
	}
	if n := f.Hits(); n < 30 || n > 90 {
		t.Errorf("hit %d of 200 calls", n)
	}
}

// TestSecondPageFails is the list that ends in an error half way through.
func TestSecondPageFails(t *testing.T) {
	l := newLab(t)
	must(t, l.c.Apply(service("shop", "a"), service("shop", "b")))
	l.Inject(fakekube.Fault{Verb: "list", Continued: true, Status: http.StatusInternalServerError})
	services := l.kube.CoreV1().Services("shop")
	first, err := services.List(t.Context(), metav1.ListOptions{Limit: 1})
	must(t, err)
	if _, err = services.List(t.Context(), metav1.ListOptions{Limit: 1, Continue: first.Continue}); !apierrors.IsInternalError(err) {
		t.Errorf("got %v", err)
	}
}

// TestLostAnswer writes, and tells nobody.
func TestLostAnswer(t *testing.T) {
	for _, f := range []fakekube.Fault{{Reset: true}, {Status: http.StatusGatewayTimeout}} {
		l := newLab(t)
		f.Verb, f.Committed = "create", true
		l.Inject(f)
		_, err := l.kube.CoreV1().Services("shop").Create(t.Context(), service("shop", "web"), metav1.CreateOptions{})
		if err == nil {
			t.Error("the answer arrived")
		}
		if _, ok := fakekube.Get[*corev1.Service](l.c, "shop", "web"); ok {
			t.Error("a service was created in a namespace that is not there")
		}
		_, err = l.kube.CoreV1().Services("default").Create(t.Context(), service("default", "web"), metav1.CreateOptions{})
		if _, ok := fakekube.Get[*corev1.Service](l.c, "default", "web"); err == nil || !ok {
			t.Errorf("%+v: created %v, error %v", f, ok, err)
		}
	}
}

func TestReset(t *testing.T) {
	l := newLab(t)
	f := l.Inject(fakekube.Fault{Reset: true, Verb: "create"})
	_, err := l.kube.CoreV1().Services("default").Create(t.Context(), service("default", "web"), metav1.CreateOptions{})
	var known apierrors.APIStatus
	if err == nil || errors.As(err, &known) || f.Hits() != 1 {
		t.Errorf("got %v after %d hits, want a connection error", err, f.Hits())
	}
	f.Lift()
	_, err = l.kube.CoreV1().Services("default").Create(t.Context(), service("default", "web"), metav1.CreateOptions{})
	must(t, err)
}

func TestUnreachable(t *testing.T) {
	l := newLab(t)
	f := l.Inject(fakekube.Fault{Unreachable: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := l.kube.CoreV1().Services("default").List(ctx, metav1.ListOptions{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	f.Lift()
	_, err = l.kube.CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
	must(t, err)
}

func TestDelay(t *testing.T) {
	l := newLab(t)
	l.Inject(fakekube.Fault{Delay: 30 * time.Millisecond})
	start := time.Now()
	_, err := l.kube.CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
	must(t, err)
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
}
