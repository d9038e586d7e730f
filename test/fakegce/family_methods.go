package fakegce

import (
	"net/http"
	"slices"
)

// families are all there are.
var families = []*family{
	healthChecks, backendServices, urlMaps, targetHTTPProxies, targetHTTPSProxies, sslCertificates, forwardingRules, addresses, firewalls,
}

var familyOf = indexFamilies(families)

func indexFamilies(all []*family) map[string]*family {
	index := map[string]*family{}
	for _, f := range all {
		index[f.name] = f
	}
	return index
}

// loadBalancerMethods are those of all families.
func loadBalancerMethods() []Method {
	const here = "regions/{region}"
	return slices.Concat(
		configMethods("healthChecks", "global", healthChecks, "patch", "update"),
		configMethods("regionHealthChecks", here, healthChecks, "patch", "update"),
		serviceMethods("backendServices", "global"),
		serviceMethods("regionBackendServices", here),
		configMethods("urlMaps", "global", urlMaps, "patch", "update"),
		configMethods("regionUrlMaps", here, urlMaps, "patch", "update"),
		configMethods("targetHttpProxies", "global", targetHTTPProxies, "patch"),
		configMethods("regionTargetHttpProxies", here, targetHTTPProxies),
		configMethods("targetHttpsProxies", "global", targetHTTPSProxies, "patch"),
		configMethods("regionTargetHttpsProxies", here, targetHTTPSProxies, "patch"),
		configMethods("sslCertificates", "global", sslCertificates),
		configMethods("regionSslCertificates", here, sslCertificates),
		configMethods("globalForwardingRules", "global", forwardingRules, "patch"),
		configMethods("forwardingRules", here, forwardingRules, "patch"),
		configMethods("globalAddresses", "global", addresses),
		configMethods("addresses", here, addresses),
		configMethods("firewalls", "global", firewalls, "patch", "update"),
		setMethods(here),
		urlMapMethods(here),
		aggregatedMethods(healthChecks, backendServices, urlMaps, targetHTTPProxies, targetHTTPSProxies, sslCertificates, forwardingRules, addresses),
	)
}

// setMethods are those that set one field.
func setMethods(here string) []Method {
	return []Method{
		setMethod("targetHttpProxies", "", targetHTTPProxies, "setUrlMap", "urlMap"),
		setMethod("regionTargetHttpProxies", here, targetHTTPProxies, "setUrlMap", "urlMap"),
		setMethod("targetHttpsProxies", "", targetHTTPSProxies, "setUrlMap", "urlMap"),
		setMethod("regionTargetHttpsProxies", here, targetHTTPSProxies, "setUrlMap", "urlMap"),
		setMethod("targetHttpsProxies", "", targetHTTPSProxies, "setSslCertificates", "sslCertificates"),
		setMethod("regionTargetHttpsProxies", here, targetHTTPSProxies, "setSslCertificates", "sslCertificates"),
		setMethod("targetHttpsProxies", "global", targetHTTPSProxies, "setCertificateMap", "certificateMap"),
		setMethod("targetHttpsProxies", "global", targetHTTPSProxies, "setQuicOverride", "quicOverride"),
		setMethod("targetHttpsProxies", "global", targetHTTPSProxies, "setSslPolicy", "sslPolicy"),
		setMethod("globalForwardingRules", "global", forwardingRules, "setTarget", "target"),
		setMethod("forwardingRules", here, forwardingRules, "setTarget", "target"),
		setMethod("backendServices", "global", backendServices, "setSecurityPolicy", "securityPolicy"),
		setMethod("regionBackendServices", here, backendServices, "setSecurityPolicy", "securityPolicy"),
		{ID: "backendServices.setEdgeSecurityPolicy", HTTP: http.MethodPost, Query: mutationParams, resource: "backendService",
			Path:  "projects/{project}/global/backendServices/{backendService}/setEdgeSecurityPolicy",
			serve: setOne(backendServices, "setEdgeSecurityPolicy", "securityPolicy", "edgeSecurityPolicy")},
		labelsMethod("globalForwardingRules", "global", forwardingRules),
		labelsMethod("forwardingRules", here, forwardingRules, mutationParams...),
		labelsMethod("globalAddresses", "global", addresses),
		labelsMethod("addresses", here, addresses, mutationParams...),
	}
}

// labelsMethod is setLabels of a family, whose path names the resource in its own
// way.
func labelsMethod(id, in string, f *family, query ...string) Method {
	return Method{ID: id + ".setLabels", HTTP: http.MethodPost, Path: "projects/{project}/" + in + "/" + f.name + "/{resource}/setLabels",
		resource: "resource", Query: query, serve: setLabels(f)}
}

func aggregatedMethods(families ...*family) []Method {
	var list []Method
	for _, f := range families {
		list = append(list, aggregatedMethod(f.name, f.collection))
	}
	return list
}

// configMethods are a family's methods in one scope; id is the API's name for
// the family there, and changes are those of "patch" and "update" it has.
func configMethods(id, in string, f *family, changes ...string) []Method {
	all := "projects/{project}/" + in + "/" + f.name
	each := all + "/{" + f.one + "}"
	list := append(readMethods(id, in, f.one, f.collection),
		Method{ID: id + ".insert", HTTP: http.MethodPost, Path: all, Query: mutationParams, serve: insertOne(f)},
		Method{ID: id + ".delete", HTTP: http.MethodDelete, Path: each, resource: f.one, Query: mutationParams, serve: deleteOne(f)},
	)
	for _, change := range changes {
		m := Method{ID: id + "." + change, HTTP: http.MethodPatch, Path: each, resource: f.one, Query: mutationParams, serve: patchOne(f)}
		if change == "update" {
			m.HTTP, m.serve = http.MethodPut, updateOne(f)
		}
		list = append(list, m)
	}
	return list
}

// setMethod is a method that sets one field; in is empty where its path leaves
// the scope out.
func setMethod(id, in string, f *family, name, field string) Method {
	path := "projects/{project}/"
	if in != "" {
		path += in + "/"
	}
	return Method{ID: id + "." + name, HTTP: http.MethodPost, Path: path + f.name + "/{" + f.one + "}/" + name,
		resource: f.one, Query: mutationParams, serve: setOne(f, name, field, field)}
}

func serviceMethods(id, in string) []Method {
	all := "projects/{project}/" + in + "/backendServices"
	return append(configMethods(id, in, backendServices, "patch", "update"),
		Method{ID: id + ".getHealth", HTTP: http.MethodPost, Path: all + "/{backendService}/getHealth",
			resource: "backendService", serve: (*Server).getHealth},
		Method{ID: id + ".listUsable", HTTP: http.MethodGet, Path: all + "/listUsable", Query: listParams, serve: listUsable},
	)
}
