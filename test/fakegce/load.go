package fakegce

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// ErrNewer is what Load answers for a state of a later format than it knows.
var ErrNewer = errors.New("saved by a newer fakegce")

// Load replaces resources, operations and remembered requests by what Save
// wrote, or changes nothing and reports what is wrong with it.
//
// A mutation that was under way goes on: its operation ends when its latency
// has passed since it was accepted, at once if that was while nobody ran. A
// client that was told of an operation so finds it, and the effect it was
// promised, whatever happened in between; the service does not forget what it
// has accepted either. Time does not run backwards: a manual clock behind the
// time of saving is moved to it.
func (s *Server) Load(r io.Reader) error {
	w, err := readWorld(r)
	if err != nil {
		return err
	}
	if manual, ok := s.clock.(*ManualClock); ok {
		manual.Advance(max(0, w.saved.Sub(manual.Now())))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.store = w.store
	s.store.used = s.rememberUsed
	var pending []*operation
	for _, op := range w.operations {
		s.keepOperation(op)
		if op.pending != nil {
			pending = append(pending, op)
		}
	}
	s.aim()
	s.resume(pending)
	return nil
}

// resume lets operations under way end when they would have.
func (s *Server) resume(pending []*operation) {
	now := s.clock.Now()
	left := func(op *operation) time.Duration { return min(op.inserted.Add(op.latency).Sub(now), op.latency) }
	slices.SortStableFunc(pending, func(a, b *operation) int { return cmp.Compare(left(a), left(b)) })
	for _, op := range pending {
		if d := left(op); d > 0 {
			s.finishAfter(op, d)
			continue
		}
		s.finish(op)
	}
}

// world is what a file holds.
type world struct {
	saved      time.Time
	store      *store
	operations []*operation
}

func readWorld(r io.Reader) (world, error) {
	in := json.NewDecoder(r)
	var h savedHeader
	if err := in.Decode(&h); err != nil || h.Format != savedFormat || h.Version < 1 {
		return world{}, errors.Join(errors.New("not a saved state of fakegce"), err)
	}
	if h.Version > savedVersion {
		return world{}, fmt.Errorf("%w: version %d, known up to %d", ErrNewer, h.Version, savedVersion)
	}
	in.DisallowUnknownFields()
	w := world{saved: h.Time, store: newStore()}
	w.store.lastID, w.store.lastAddress = h.LastID, h.LastAddress
	for project, number := range h.Projects {
		w.store.projects[project] = number
	}
	for i := range h.Resources {
		if err := w.readResource(in); err != nil {
			return world{}, fmt.Errorf("resource %d of %d: %w", i+1, h.Resources, err)
		}
	}
	for i := range h.Operations {
		if err := w.readOperation(in); err != nil {
			return world{}, fmt.Errorf("operation %d of %d: %w", i+1, h.Operations, err)
		}
	}
	if _, err := in.Token(); err != io.EOF {
		return world{}, errors.New("more than the header announces")
	}
	return w, nil
}

func (w *world) readResource(in *json.Decoder) error {
	var saved savedResource
	if err := decodeNext(in, &saved); err != nil {
		return err
	}
	res := &resource{}
	var err error
	if res.doc, err = decodeDoc(saved.Doc); err != nil {
		return err
	}
	link, _ := res.doc["selfLink"].(string)
	if res.ref, err = parsePath(link); err != nil {
		return err
	}
	id, _ := res.doc["id"].(string)
	if res.id, err = strconv.ParseUint(id, 10, 64); err != nil {
		return err
	}
	if res.doc["name"] != res.ref.name || w.store.shelves[res.ref.shelf][res.ref.name] != nil {
		return fmt.Errorf("%s: named otherwise or there twice", res.ref.path())
	}
	if err := res.restore(saved); err != nil {
		return fmt.Errorf("%s: %w", res.ref.path(), err)
	}
	w.store.put(res)
	uses, err := told(res.ref.collection, res.doc, saved.Uses)
	w.store.use(res.ref, uses)
	return err
}

// decodeNext tells an end in the midst from that of the file.
func decodeNext(in *json.Decoder, v any) error {
	err := in.Decode(v)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// told are the uses that a document's links tell, and those that were untold.
func told(collection string, d doc, paths []string) ([]ref, error) {
	uses := linksIn(collection, d)
	for _, path := range paths {
		use, err := parsePath(path)
		if err != nil {
			return nil, err
		}
		uses = append(uses, use)
	}
	return uses, nil
}

func (w *world) readOperation(in *json.Decoder) error {
	var saved savedOperation
	if err := decodeNext(in, &saved); err != nil {
		return err
	}
	op := &operation{
		id: saved.ID, kind: saved.Kind, verb: saved.Verb, targetID: saved.TargetID,
		user: saved.User, requestID: saved.RequestID, request: saved.Request,
		latency: time.Duration(saved.Latency), inserted: saved.Inserted, ended: saved.Ended, err: saved.Error,
		done: make(chan struct{}),
	}
	var errName, errTarget error
	op.ref, errName = parsePath(saved.Name)
	op.target, errTarget = parsePath(saved.Target)
	if err := errors.Join(errName, errTarget); err != nil {
		return err
	}
	if op.ended.IsZero() != (saved.Pending != nil) {
		return fmt.Errorf("%s: neither ended nor under way, or both", op.ref.path())
	}
	w.operations = append(w.operations, op)
	if saved.Pending == nil {
		close(op.done)
		return nil
	}
	return w.readMutation(op, saved.Pending)
}

// readMutation puts a mutation under way back to where its acceptance left it.
func (w *world) readMutation(op *operation, saved *savedMutation) error {
	m := &mutation{kind: op.kind, target: w.target(op), settled: saved.Settled, outcome: saved.Outcome, members: restoreMembers(saved.Members)}
	op.pending = m
	m.target.inFlight++
	if !m.open() {
		return nil
	}
	if err := m.sound(saved); err != nil {
		return fmt.Errorf("%s: %w", op.ref.path(), err)
	}
	m.target.creating = m.target.creating || m.kind == "insert"
	m.target.deleting = m.target.deleting || m.kind == "delete"
	if saved.Draft == nil {
		return nil
	}
	var err error
	m.draft = &draft{ref: m.target.ref}
	if m.draft.doc, err = decodeDoc(saved.Draft); err != nil {
		return err
	}
	for _, field := range []string{"selfLink", "name", "id"} {
		if m.draft.doc[field] != m.target.doc[field] {
			return fmt.Errorf("%s: changes the %s of %s", op.ref.path(), field, op.target.path())
		}
	}
	if m.draft.uses, err = told(op.target.collection, m.draft.doc, saved.Uses); err != nil {
		return err
	}
	m.before = w.store.uses[op.target]
	w.store.use(op.target, slices.Concat(m.before, m.draft.uses))
	return nil
}

// target is what an operation under way is on: a resource of the store or, when
// that one is gone, one that nobody finds.
func (w *world) target(op *operation) *resource {
	if res := w.store.shelves[op.target.shelf][op.target.name]; res != nil && res.id == op.targetID {
		return res
	}
	gone := &resource{ref: op.target, id: op.targetID}
	if gone.ref.collection == groups.name {
		gone.state = &group{byAddress: map[address]string{}}
	}
	return gone
}
