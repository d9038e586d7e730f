package fakekube

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// discover answers what is not about a resource: the version, the health endpoints and
// as much discovery as kubectl needs.
func (c *Cluster) discover(rq *request) (reply, error) {
	if rq.verb != "get" {
		return reply{}, errNoSuchPath
	}
	switch path := strings.Trim(rq.path, "/"); path {
	case "version":
		return value(http.StatusOK, version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.1-fakekube"})
	case "readyz", "livez", "healthz":
		return reply{http.StatusOK, []byte("ok")}, nil
	case "api":
		return value(http.StatusOK, metav1.APIVersions{TypeMeta: typeMeta("APIVersions"), Versions: []string{"v1"}})
	case "apis":
		return value(http.StatusOK, metav1.APIGroupList{TypeMeta: typeMeta("APIGroupList"), Groups: c.groups()})
	default:
		return c.group(path)
	}
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: kind, APIVersion: "v1"}
}

func (c *Cluster) group(path string) (reply, error) {
	list := metav1.APIResourceList{TypeMeta: typeMeta("APIResourceList")}
	for _, r := range resources {
		prefix := "apis/"
		if r.Group == "" {
			prefix = "api/"
		}
		if path == prefix+r.GroupVersion().String() && (c.crds || !r.custom) {
			list.GroupVersion = r.GroupVersion().String()
			list.APIResources = append(list.APIResources, describe(r)...)
		}
	}
	if list.GroupVersion == "" {
		return reply{}, errNoSuchPath
	}
	return value(http.StatusOK, list)
}

func describe(r *resource) []metav1.APIResource {
	main := metav1.APIResource{Name: r.Resource, SingularName: strings.ToLower(r.kind), Namespaced: r.namespaced, Kind: r.kind,
		Verbs: metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update"}}
	if r.short != "" {
		main.ShortNames = []string{r.short}
	}
	if !r.status {
		return []metav1.APIResource{main}
	}
	return []metav1.APIResource{main, {Name: r.Resource + "/status", Namespaced: r.namespaced, Kind: r.kind,
		Verbs: metav1.Verbs{"get", "patch", "update"}}}
}

func (c *Cluster) groups() []metav1.APIGroup {
	var out []metav1.APIGroup
	seen := map[schema.GroupVersion]bool{}
	for _, r := range resources {
		gv := r.GroupVersion()
		if gv.Group == "" || seen[gv] || (r.custom && !c.crds) {
			continue
		}
		seen[gv] = true
		v := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
		out = append(out, metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	return out
}
