// Package presence judges from what witnesses say whether a cluster is alive, draining,
// gone or unknown. What is deleted on the word gone cannot be brought back, so gone needs
// proof, and whatever is missing, partial or contradicts itself is unknown.
//
// The witnesses:
//
//	the API server      answers, and with which kube-system UID
//	the container API   has the cluster, by name; and lists those of the project
//	the fleet file      says active, draining or decommissioned
//
// An API server that proves the UID is the cluster: it is alive, whatever the others say.
// That the container API has a cluster of that name proves nothing: it may be another one
// made since. That it has none proves something only if it could see everything, and if
// the fleet file does not look for it in the wrong place.
//
// The package is pure: it asks nobody and imports the standard library and neg alone.
package presence

import (
	"fmt"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Presence is what may be believed of a cluster.
type Presence int

// The presences. The zero value is Unknown: nothing may be concluded.
const (
	Unknown Presence = iota
	Alive
	Draining
	Gone
)

func (p Presence) String() string { return [...]string{"unknown", "alive", "draining", "gone"}[p] }

// An Observation is what the witnesses said of one cluster.
type Observation struct {
	State string // active, draining or decommissioned: the fleet file's
	UID   string // the fleet file's
	// Resource is which GKE cluster it is; zero: none, and the container API is no witness.
	Resource neg.GKECluster

	Server  Server
	Get     Get
	Listing Listing
}

// Server is what the API server said.
type Server struct {
	UID   string // what it answered
	Error string // why there is no UID
	// Answered tells whether an API server was there, if only to refuse.
	Answered bool
	// Silent tells whether it was asked and nothing answered, or there is no address to ask.
	// A question that we could not put says nothing about a cluster.
	Silent bool
	Shared string // another entry whose API server answered with the same UID
}

// Get is what the container API said when asked for the cluster.
type Get struct {
	Status   string // of the cluster: RUNNING, STOPPING, ...; empty: no answer, or not found
	NotFound bool   // a 404 of the API itself
	Error    string // why neither
}

// Listing is what the container API listed of the whole project.
type Listing struct {
	Total   int      // clusters listed
	Found   bool     // the cluster among them
	Missing []string // locations that did not answer
	// Elsewhere are the locations of clusters with the same name that no entry of the fleet
	// file is; Unclaimed are all clusters that none is. One of them may be the cluster, under a
	// name or a place that was mistyped.
	Elsewhere, Unclaimed []string
	Error                string // why there is no list
}

// A Verdict is a presence with its evidence in words, the strongest first.
type Verdict struct {
	Presence Presence
	Evidence []string
}

func (v Verdict) String() string { return v.Presence.String() + ": " + strings.Join(v.Evidence, "; ") }

// Conclusion is the last of the evidence, what the verdict was concluded from.
func (v Verdict) Conclusion() string {
	if len(v.Evidence) == 0 {
		return ""
	}
	return v.Evidence[len(v.Evidence)-1]
}

// Judge is the verdict on one observation.
func Judge(o Observation) Verdict {
	proved := o.Server.UID == o.UID && o.UID != "" && o.Server.Shared == ""
	v := Verdict{Evidence: append([]string{o.Server.words(o.UID)}, o.container()...)}
	switch {
	case proved && o.State == "decommissioned":
		v.say("the fleet file says decommissioned, but its API server is there: take state: decommissioned back, or stop the cluster")
	case proved && o.State == "draining":
		v.Presence = Draining
		v.say("the fleet file says draining")
	case proved:
		v.Presence = Alive
	case o.Server.UID != "" || o.Server.Answered:
		v.say("something answers where its API server should be: nothing is concluded")
	case o.State == "decommissioned":
		o.decommissioned(&v)
	default:
		o.absent(&v)
	}
	return v
}

func (v *Verdict) say(format string, args ...any) {
	v.Evidence = append(v.Evidence, fmt.Sprintf(format, args...))
}

func (s Server) words(uid string) string {
	switch {
	case s.Shared != "":
		return fmt.Sprintf("API server: answers with UID %s, and so does that of cluster %s: one is a copy of the other", s.UID, s.Shared)
	case s.UID == uid && uid != "":
		return "API server: answers with the UID of the fleet file"
	case s.UID != "":
		return fmt.Sprintf("API server: answers with UID %s, the fleet file says %s: it is another cluster", s.UID, uid)
	case s.Error == "":
		return "API server: was not asked"
	case s.Answered:
		return "API server: refuses: " + s.Error
	}
	return "API server: no answer: " + s.Error
}

// container is what the container API said, in words.
func (o Observation) container() []string {
	if o.Resource == (neg.GKECluster{}) {
		return nil
	}
	words := []string{"container API: " + o.Get.words(o.Resource)}
	switch l := o.Listing; {
	case l.Error != "":
		words = append(words, "container API: no list of project "+o.Resource.Project+": "+l.Error)
	case len(l.Missing) > 0:
		words = append(words, "container API: its list lacks "+strings.Join(l.Missing, ", "))
	case len(l.Elsewhere) > 0:
		words = append(words, fmt.Sprintf("container API: has a cluster %s in %s: is the location in the fleet file right?", o.Resource.Name, strings.Join(l.Elsewhere, ", ")))
	default:
		words = append(words, fmt.Sprintf("container API: lists %d clusters in project %s, this one %s", l.Total, o.Resource.Project, among(l.Found)))
	}
	return words
}

func (g Get) words(r neg.GKECluster) string {
	switch {
	case g.NotFound:
		return "no " + r.String()
	case g.Status != "":
		return r.String() + " is " + g.Status
	}
	return "no answer for " + r.String() + ": " + g.Error
}

func among(found bool) string {
	if found {
		return "among them"
	}
	return "not among them"
}

// decommissioned believes the operator unless the container API has the cluster. Its
// silence does not count: the operator's word is proof enough.
func (o Observation) decommissioned(v *Verdict) {
	if o.Get.Status != "" || o.Listing.Found {
		v.say("the fleet file says decommissioned, but the container API has it")
		return
	}
	v.Presence = Gone
	v.say("the fleet file says decommissioned")
}

// absent looks for proof that a cluster which does not answer is gone.
func (o Observation) absent(v *Verdict) {
	l := o.Listing
	switch {
	case o.Resource == (neg.GKECluster{}):
		v.say("not known as a GKE cluster: only state: decommissioned in the fleet file proves it gone")
	case !o.Server.Silent, !o.Get.NotFound, l.Error != "", l.Found, len(l.Missing) > 0, len(l.Elsewhere) > 0:
		v.say("no proof that it is gone")
	case len(l.Unclaimed) > 0:
		v.say("it may be one of the clusters that no entry of the fleet file is (%s): add them, or, if it is gone, say state: decommissioned", short(l.Unclaimed))
	case l.Total == 0:
		v.say("a project without any cluster proves nothing, as a wrong one looks the same: if it is gone, say state: decommissioned")
	default:
		v.Presence = Gone
		v.say("every location of the project answered, and none has it; each cluster there is another entry of the fleet file")
	}
}

// short names a few of many.
func short(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
