package fakegce

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
)

// held is what a Server holds at one moment. Taking it is cheap: documents,
// lists of members and finished operations are never written again.
type held struct {
	header     savedHeader
	resources  []heldResource
	operations []*operation
}

type heldResource struct {
	ref     ref
	doc     doc
	uses    []ref
	members []member // of a group, as lastSeq
	lastSeq uint64
}

// Save writes what the server holds: resources, operations and the ids of
// requests that it remembers, in the format that Load reads. The journal, the
// timeline, faults and whatever health has found out are not kept. Calls go on
// while it encodes.
func (s *Server) Save(w io.Writer) error {
	h := s.hold()
	h.sort()
	out := bufio.NewWriterSize(w, 1<<16)
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(h.header); err != nil {
		return err
	}
	for _, res := range h.resources {
		saved, err := res.saved()
		if err != nil {
			return err
		}
		if err := encoder.Encode(saved); err != nil {
			return err
		}
	}
	for _, op := range h.operations {
		saved, err := op.saved()
		if err != nil {
			return err
		}
		if err := encoder.Encode(saved); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (s *Server) hold() held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := held{header: s.header(), operations: slices.Clone(s.opOrder)}
	before := map[ref][]ref{}
	for i, op := range h.operations {
		if op.pending == nil {
			continue
		}
		pending := *op.pending
		if pending.draft != nil && pending.open() {
			before[pending.target.ref] = pending.before
		}
		under := *op
		under.pending = &pending
		h.operations[i] = &under
	}
	total := 0
	for _, shelved := range s.store.shelves {
		total += len(shelved)
	}
	h.resources = make([]heldResource, 0, total)
	for _, shelved := range s.store.shelves {
		for _, res := range shelved {
			h.resources = append(h.resources, s.store.hold(res, before))
		}
	}
	h.header.Resources, h.header.Operations = len(h.resources), len(h.operations)
	return h
}

func (s *store) hold(res *resource, before map[ref][]ref) heldResource {
	out := heldResource{ref: res.ref, doc: res.doc, uses: s.uses[res.ref]}
	if uses, changing := before[res.ref]; changing {
		out.uses = uses
	}
	if g, ok := res.state.(*group); ok {
		out.members, out.lastSeq = g.members, g.lastSeq
	}
	return out
}

func (s *Server) header() savedHeader {
	h := savedHeader{
		Format: savedFormat, Version: savedVersion, Time: s.clock.Now(),
		LastID: s.store.lastID, LastAddress: s.store.lastAddress, Projects: map[string]uint64{},
	}
	for project, number := range s.store.projects {
		h.Projects[project] = number
	}
	return h
}

// sort makes what is saved twice the same, byte by byte.
func (h held) sort() {
	slices.SortFunc(h.resources, func(a, b heldResource) int {
		return cmp.Or(strings.Compare(a.ref.project, b.ref.project), strings.Compare(a.ref.collection, b.ref.collection),
			strings.Compare(string(a.ref.scope.kind), string(b.ref.scope.kind)), strings.Compare(a.ref.scope.name, b.ref.scope.name),
			strings.Compare(a.ref.name, b.ref.name))
	})
}

func (h heldResource) saved() (savedResource, error) {
	raw, err := json.Marshal(h.doc)
	return savedResource{
		Doc: raw, Uses: untold(h.ref.collection, h.doc, h.uses), Members: savedMembers(h.members), LastSeq: h.lastSeq,
	}, err
}

// untold are the uses that a document's links do not tell: a forwarding rule
// names the address that it uses by number.
func untold(collection string, d doc, uses []ref) []string {
	told := linksIn(collection, d)
	var paths []string
	for _, use := range uses {
		if !slices.Contains(told, use) {
			paths = append(paths, use.path())
		}
	}
	return paths
}

func savedMembers(members []member) []savedMember {
	out := make([]savedMember, len(members))
	for i, m := range members {
		out[i] = savedMember{m.seq, m.endpoint}
	}
	return out
}

func (op *operation) saved() (savedOperation, error) {
	out := savedOperation{
		Name: op.ref.path(), ID: op.id, Kind: op.kind, Verb: op.verb, Target: op.target.path(), TargetID: op.targetID,
		User: op.user, RequestID: op.requestID, Request: op.request,
		Latency: Duration(op.latency), Inserted: op.inserted, Ended: op.ended, Error: op.err,
	}
	if op.pending == nil {
		return out, nil
	}
	m := op.pending
	out.Pending = &savedMutation{Settled: m.settled, Outcome: m.outcome}
	if !m.open() {
		return out, nil
	}
	out.Pending.Members = savedMembers(m.members)
	if m.draft == nil {
		return out, nil
	}
	raw, err := json.Marshal(m.draft.doc)
	out.Pending.Draft, out.Pending.Uses = raw, untold(m.target.ref.collection, m.draft.doc, m.draft.uses)
	return out, err
}

// What Save writes is a header, a savedResource for each resource and a
// savedOperation for each operation, oldest first: JSON, one to a line.

const (
	savedFormat  = "fakegce"
	savedVersion = 1
)

type savedHeader struct {
	Format      string            `json:"format"`
	Version     int               `json:"version"`
	Time        time.Time         `json:"time"`
	LastID      uint64            `json:"lastId,string"`
	LastAddress int               `json:"lastAddress"`
	Projects    map[string]uint64 `json:"projects"` // to their number
	Resources   int               `json:"resources"`
	Operations  int               `json:"operations"`
}

type savedResource struct {
	Doc     json.RawMessage `json:"doc"`
	Uses    []string        `json:"uses,omitempty"` // paths; only what no link in doc says
	Members []savedMember   `json:"members,omitempty"`
	LastSeq uint64          `json:"lastSeq,omitempty"` // that a member was given
}

type savedMember struct {
	Seq uint64 `json:"seq"`
	NetworkEndpoint
}

type savedOperation struct {
	Name      string          `json:"name"` // its path, as Target
	ID        uint64          `json:"id,string"`
	Kind      string          `json:"kind"`
	Verb      string          `json:"verb"`
	Target    string          `json:"target"`
	TargetID  uint64          `json:"targetId,string"`
	User      string          `json:"user,omitempty"`
	RequestID string          `json:"requestId,omitempty"`
	Request   string          `json:"request"`
	Latency   Duration        `json:"latency"`
	Inserted  time.Time       `json:"inserted"`
	Ended     time.Time       `json:"ended,omitzero"`
	Error     *OperationError `json:"error,omitempty"`
	Pending   *savedMutation  `json:"pending,omitempty"`
}

// savedMutation is a mutation under way, without what Kind and Target say.
type savedMutation struct {
	Draft   json.RawMessage `json:"draft,omitempty"`
	Uses    []string        `json:"uses,omitempty"` // paths; only what no link in draft says
	Members []savedMember   `json:"members,omitempty"`
	Settled bool            `json:"settled,omitempty"`
	Outcome *OperationError `json:"outcome,omitempty"`
}
