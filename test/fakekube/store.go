package fakekube

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// A store holds one cluster's objects.
type store struct {
	name   string
	server *Server
	crds   bool

	mu        sync.RWMutex
	uid       types.UID // kube-system's
	rv        uint64
	clusterIP uint32
	objects   map[*resource]map[string]map[string]*entry // by namespace and name
	snapshots snapshots
}

func newStore(name string, s *Server) *store {
	return &store{name: name, server: s, objects: map[*resource]map[string]map[string]*entry{}}
}

// An entry is one version of one object; neither it nor its object ever changes.
type entry struct {
	obj  runtime.Object
	meta metav1.Object
	raw  atomic.Pointer[[]byte]
}

func newEntry(obj runtime.Object) (*entry, error) {
	m, err := meta.Accessor(obj)
	return &entry{obj: obj, meta: m}, err
}

// key orders entries as etcd does.
func (e *entry) key() string {
	if ns := e.meta.GetNamespace(); ns != "" {
		return ns + "/" + e.meta.GetName()
	}
	return e.meta.GetName()
}

// json is the object without kind and apiVersion, as the items of a list are;
// encoded once, since a storm reads an object far more often than it changes.
func (e *entry) json() []byte {
	if b := e.raw.Load(); b != nil {
		return *b
	}
	b, err := json.Marshal(e.obj)
	if err != nil {
		panic(fmt.Sprintf("fakekube: encode %s: %v", e.key(), err)) // a typed object always encodes
	}
	e.raw.Store(&b)
	return b
}

func (st *store) lookup(r *resource, ns, name string) *entry {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.objects[r][ns][name]
}

// errMoved says that the base of a write is no longer current.
var errMoved = errors.New("object moved")

// swap replaces old, nil for a create, by obj. A write that changes nothing keeps
// its resourceVersion; one that takes the last finalizer of an object being deleted
// removes it.
func (st *store) swap(r *resource, old *entry, obj runtime.Object, dry bool) (*entry, bool, error) {
	e, err := newEntry(obj)
	if err != nil {
		return nil, false, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.objects[r][e.meta.GetNamespace()][e.meta.GetName()] != old {
		return nil, false, errMoved
	}
	if old != nil {
		e.meta.SetResourceVersion(old.meta.GetResourceVersion())
		if equality.Semantic.DeepEqual(old.obj, obj) {
			return old, false, nil
		}
	}
	if dry {
		return e, false, nil
	}
	e.meta.SetResourceVersion(st.nextVersion())
	if old != nil && released(e.meta) {
		delete(st.objects[r][e.meta.GetNamespace()], e.meta.GetName())
		return e, true, nil
	}
	st.put(r, e)
	return e, true, nil
}

// released says that nothing holds an object being deleted any more.
func released(m metav1.Object) bool {
	grace := m.GetDeletionGracePeriodSeconds()
	return m.GetDeletionTimestamp() != nil && len(m.GetFinalizers()) == 0 && (grace == nil || *grace == 0)
}

// remove takes old out of the store.
func (st *store) remove(r *resource, old *entry) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	ns, name := old.meta.GetNamespace(), old.meta.GetName()
	if st.objects[r][ns][name] != old {
		return errMoved
	}
	st.nextVersion()
	delete(st.objects[r][ns], name)
	if r.kind == "Namespace" {
		for _, spaces := range st.objects {
			delete(spaces, name)
		}
	}
	return nil
}

func (st *store) put(r *resource, e *entry) {
	if st.objects[r] == nil {
		st.objects[r] = map[string]map[string]*entry{}
	}
	ns := e.meta.GetNamespace()
	if st.objects[r][ns] == nil {
		st.objects[r][ns] = map[string]*entry{}
	}
	st.objects[r][ns][e.meta.GetName()] = e
}

func (st *store) nextVersion() string {
	st.rv++
	return strconv.FormatUint(st.rv, 10)
}

// sorted returns the entries that match, in key order, and the version they are at.
func (st *store) sorted(r *resource, ns string, match func(*entry) bool) ([]*entry, uint64) {
	st.mu.RLock()
	var found []*entry
	for space, entries := range st.objects[r] {
		if ns != "" && ns != space {
			continue
		}
		for _, e := range entries {
			if match(e) {
				found = append(found, e)
			}
		}
	}
	rv := st.rv
	st.mu.RUnlock()
	slices.SortFunc(found, func(a, b *entry) int { return strings.Compare(a.key(), b.key()) })
	return found, rv
}

// complete fills in what is missing of an object made in process, which may well
// be old or terminating.
func (st *store) complete(m metav1.Object, grace int64) {
	given := metav1.ObjectMeta{UID: m.GetUID(), CreationTimestamp: m.GetCreationTimestamp()}
	deleted, left := m.GetDeletionTimestamp(), m.GetDeletionGracePeriodSeconds()
	st.stamp(m)
	if given.UID != "" {
		m.SetUID(given.UID)
	}
	if !given.CreationTimestamp.IsZero() {
		m.SetCreationTimestamp(given.CreationTimestamp)
	}
	if deleted != nil {
		if left == nil {
			left = &grace
		}
		m.SetDeletionTimestamp(deleted)
		m.SetDeletionGracePeriodSeconds(left)
	}
}

// stamp fills in what the server decides about a new object.
func (st *store) stamp(m metav1.Object) {
	if m.GetName() == "" && m.GetGenerateName() != "" {
		m.SetName(m.GetGenerateName() + uuid.NewString()[:5])
	}
	m.SetUID(types.UID(uuid.NewString()))
	m.SetCreationTimestamp(metav1.NewTime(st.server.now().Truncate(1e9)))
	m.SetDeletionTimestamp(nil)
	m.SetDeletionGracePeriodSeconds(nil)
	m.SetResourceVersion("")
	m.SetSelfLink("")
}
