package fakekube

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

const continueTooOld = "The provided continue parameter is too old to display a consistent list result. " +
	"You can start a new list without the continue parameter, or use the continue token in this response to " +
	"retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - " +
	"objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."

// A continueToken is kube-apiserver's: the version of the first page, and the key
// to go on from. Version -1 means whatever is current.
type continueToken struct {
	APIVersion      string `json:"v"`
	ResourceVersion int64  `json:"rv"`
	StartKey        string `json:"start"`
}

func (t continueToken) encode() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and a number always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeToken(s string) (t continueToken, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err == nil && (t.APIVersion != "meta.k8s.io/v1" || t.ResourceVersion == 0 || t.StartKey == "") {
		err = fmt.Errorf("%q is no token of this server", s)
	}
	if err != nil {
		return t, apierrors.NewBadRequest(fmt.Sprintf("invalid continue token: %v", err))
	}
	return t, nil
}

// snapshots keeps what the later pages of a list are cut from, so that they show the
// state of the first page. The oldest make room, as etcd's compaction does.
type snapshots struct {
	list []snapshot
}

type snapshot struct {
	scope   string
	rv      int64
	entries []*entry
}

const keptSnapshots = 64

func (s *snapshots) keep(scope string, rv int64, entries []*entry) {
	if _, ok := s.find(scope, rv); ok {
		return
	}
	if len(s.list) == keptSnapshots {
		s.list = slices.Delete(s.list, 0, 1)
	}
	s.list = append(s.list, snapshot{scope, rv, entries})
}

func (s *snapshots) find(scope string, rv int64) ([]*entry, bool) {
	for _, one := range s.list {
		if one.scope == scope && one.rv == rv {
			return one.entries, true
		}
	}
	return nil, false
}

// Compact forgets old versions: every continue token given out so far is expired.
func (c *Cluster) Compact() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshots = snapshots{}
}

// A page is what one list call returns.
type page struct {
	entries   []*entry
	rv        int64
	next      string
	remaining *int64
}

func (c *Cluster) list(rq *request) (reply, error) {
	match, err := matcher(rq)
	if err != nil {
		return reply{}, err
	}
	p, err := c.page(rq, match)
	if err != nil {
		return reply{}, err
	}
	return listReply(rq.res, p)
}

func (c *Cluster) page(rq *request, match func(*entry) bool) (page, error) {
	q := rq.query
	limit, _ := strconv.Atoi(q.Get("limit"))
	scope := strings.Join([]string{rq.res.Resource, rq.namespace, q.Get("labelSelector"), q.Get("fieldSelector")}, "|")
	var p page
	if token := q.Get("continue"); token != "" {
		var err error
		if p, err = c.rest(rq, scope, token, match); err != nil {
			return p, err
		}
	} else {
		found, rv := c.sorted(rq.res, rq.namespace, match)
		p = page{entries: found, rv: int64(rv)}
		if q.Get("resourceVersion") == "0" {
			limit = 0 // a list "at least as new as anything" comes from the watch cache, whole
		}
	}
	if limit > 0 && len(p.entries) > limit {
		c.cut(&p, limit, scope, q.Get("labelSelector") == "" && q.Get("fieldSelector") == "")
	}
	return p, nil
}

// rest is all that is left from a continue token on.
func (c *Cluster) rest(rq *request, scope, token string, match func(*entry) bool) (page, error) {
	t, err := decodeToken(token)
	if err != nil {
		return page{}, err
	}
	var all []*entry
	rv := t.ResourceVersion
	if rv < 0 {
		found, now := c.sorted(rq.res, rq.namespace, match)
		all, rv = found, int64(now)
	} else {
		c.mu.RLock()
		kept, ok := c.snapshots.find(scope, rv)
		c.mu.RUnlock()
		if !ok {
			e := apierrors.NewResourceExpired(continueTooOld)
			e.ErrStatus.ListMeta.Continue = continueToken{t.APIVersion, -1, t.StartKey}.encode()
			return page{}, e
		}
		all = kept
	}
	from, _ := slices.BinarySearchFunc(all, t.StartKey, func(e *entry, key string) int { return strings.Compare(e.key(), key) })
	return page{entries: all[from:], rv: rv}, nil
}

// cut leaves the first limit entries in the page, with a token for the others. How
// many remain is said only without a selector, since etcd counts without one.
func (c *Cluster) cut(p *page, limit int, scope string, counted bool) {
	left := int64(len(p.entries) - limit)
	c.mu.Lock()
	c.snapshots.keep(scope, p.rv, p.entries)
	c.mu.Unlock()
	p.entries = p.entries[:limit]
	p.next = continueToken{"meta.k8s.io/v1", p.rv, p.entries[limit-1].key() + "\x00"}.encode()
	if counted {
		p.remaining = &left
	}
}

func listReply(r *resource, p page) (reply, error) {
	head, err := json.Marshal(struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ListMeta `json:"metadata"`
	}{
		metav1.TypeMeta{Kind: r.kind + "List", APIVersion: r.GroupVersion().String()},
		metav1.ListMeta{ResourceVersion: strconv.FormatInt(p.rv, 10), Continue: p.next, RemainingItemCount: p.remaining},
	})
	if err != nil {
		return reply{}, err
	}
	body := bytes.NewBuffer(head[:len(head)-1])
	body.WriteString(`,"items":[`)
	for i, e := range p.entries {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(e.json())
	}
	body.WriteString("]}")
	return reply{http.StatusOK, body.Bytes()}, nil
}

// matcher compiles the selectors of a request.
func matcher(rq *request) (func(*entry) bool, error) {
	byLabel, err := labels.Parse(rq.query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unable to parse requirement: %v", err))
	}
	byField, err := fields.ParseSelector(rq.query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	known := fieldsOf(&entry{obj: rq.res.empty(), meta: &metav1.ObjectMeta{}})
	for _, req := range byField.Requirements() {
		if !known.Has(req.Field) {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", req.Field))
		}
	}
	return func(e *entry) bool {
		return byLabel.Matches(labels.Set(e.meta.GetLabels())) && (byField.Empty() || byField.Matches(fieldsOf(e)))
	}, nil
}

// fieldsOf is what a field selector can select on.
func fieldsOf(e *entry) fields.Set {
	set := fields.Set{"metadata.name": e.meta.GetName(), "metadata.namespace": e.meta.GetNamespace()}
	switch o := e.obj.(type) {
	case *corev1.Pod:
		set["spec.nodeName"], set["status.phase"], set["status.podIP"] = o.Spec.NodeName, string(o.Status.Phase), o.Status.PodIP
	case *corev1.Event:
		set["involvedObject.kind"], set["involvedObject.namespace"] = o.InvolvedObject.Kind, o.InvolvedObject.Namespace
		set["involvedObject.name"], set["involvedObject.uid"] = o.InvolvedObject.Name, string(o.InvolvedObject.UID)
		set["reason"], set["type"] = o.Reason, o.Type
	}
	return set
}
