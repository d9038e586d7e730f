package audit

import "strings"

// pods: slices follow what happens to Pods, and their entries may be missing, late, or not
// logged at all. So a Pod's write touches the Services that select it.
func pods(e Entry) []Touched {
	switch {
	case e.Subresource == "eviction":
		// A drain evicts, and no entry of a deletion follows but the kubelet's.
		if e.Verb != "create" {
			return nil
		}
		return []Touched{{What: Selecting, Name: e.name(), Deleted: true}}
	case e.Verb == "create":
		return created(e)
	case e.Verb == "delete":
		return deleted(e)
	case e.Verb == "deletecollection":
		return podCollection(e)
	}
	return nil
}

// created: without labels it is not worth a look at every Service of the namespace, for
// the Pod has no address yet.
func created(e Entry) []Touched {
	for _, o := range []Object{e.Response, e.Request} {
		if labels := podLabels(o); labels != nil {
			return []Touched{{What: Selecting, Name: e.name(), Labels: labels}}
		}
	}
	return nil
}

// kubelet begins the names of those users who delete a Pod only at the end of its grace
// period, when its endpoints have long been terminating.
const kubelet = "system:node:"

func deleted(e Entry) []Touched {
	if strings.HasPrefix(e.User, kubelet) {
		return nil
	}
	return []Touched{{What: Selecting, Name: e.name(), Labels: podLabels(e.Response), Deleted: true}}
}

func podCollection(e Entry) []Touched {
	var found []Touched
	for _, item := range e.Response.Items {
		// The items of a list do not say their kind.
		found = append(found, Touched{What: Selecting, Name: item.Metadata.Name, Labels: orEmpty(item.Metadata.Labels), Deleted: true})
	}
	if len(found) == 0 {
		found = append(found, Touched{What: Selecting, Deleted: true})
	}
	return found
}

// podLabels are nil for what is no Pod.
func podLabels(o Object) map[string]string {
	if o.kind() != "Pod" {
		return nil
	}
	return orEmpty(o.Metadata.Labels)
}

func orEmpty(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}
