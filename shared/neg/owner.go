package neg

import (
	"encoding/json"
	"fmt"
	"strings"
)

// An Owner is what a group's description says about who made it and for what. Groups
// have no labels and cannot be patched, so it is complete at creation and write-once.
//
// A group is ours only when the token and the parsed description agree: see Owns.
type Owner struct {
	Version   int    `json:"negfleet"` // 1
	Token     string `json:"token"`    // searched for by aggregatedList
	Cluster   string `json:"cluster"`  // the fleet file's name at creation, for people
	UID       string `json:"uid"`      // the cluster's kube-system namespace UID
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	Port      int32  `json:"port"` // the Service port
}

// OwnerOf is the owner of the groups of one Service port.
func OwnerOf(uid string, k Key, port int32) Owner {
	return Owner{1, Token(uid, k), k.Cluster, uid, k.Namespace, k.Service, port}
}

// Description is the text that goes into a group at creation.
func (o Owner) Description() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return string(b)
}

// ParseOwner reads a group's description. Whatever is not ours is an error, and means
// only that: not ours.
func ParseOwner(description string) (Owner, error) {
	if !strings.HasPrefix(description, `{"negfleet":`) {
		return Owner{}, fmt.Errorf("description %q: not written by negfleet", clip(description))
	}
	var o Owner
	if err := json.Unmarshal([]byte(description), &o); err != nil {
		return Owner{}, fmt.Errorf("description %q: %w", clip(description), err)
	}
	if o.Version != 1 {
		return Owner{}, fmt.Errorf("description %q: version %d, this negfleet reads 1", clip(description), o.Version)
	}
	return o, nil
}

// Owns tells whether o proves that the group belongs to that Service of the cluster
// with that UID: the token, and every part it was made from.
func (o Owner) Owns(uid string, k Key) bool {
	return o.Version == 1 && o.UID == uid && o.Namespace == k.Namespace && o.Service == k.Service && o.Token == Token(uid, k)
}

// An OwnedGroup is a group whose description parses as ours. That it is a given Service's
// is for Owns to say.
type OwnedGroup struct {
	GroupID
	Owner Owner
	Size  int // endpoints attached
}
