package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/neg"
)

// sayHow says what is different from the usual, before anything is followed.
func (r *drainRun) sayHow() {
	if r.silent != nil {
		r.board.note("%s: its keys come from the cloud alone: %v. Where reconcile gets no answer either, it removes nothing; once the cluster is proved gone, gone: delete in the fleet file has what it left removed", r.name, r.silent)
	}
}

// tell shows one look.
func (r *drainRun) tell(l drain.Look) {
	if l.Failed != nil {
		r.board.note("%v; looking again", l.Failed)
		return
	}
	r.board.show(r.name, l)
}

func (r *drainRun) print(l drain.Look, verdict error) error {
	if r.asJSON {
		return r.printJSON(l, verdict)
	}
	if verdict == nil {
		_, err := fmt.Fprintf(r.out, "cluster %s holds nothing: no group, backend entry, backend service or health check in project %s is its, and no group there names its UID; %s published\n", r.name, strings.Join(r.projects(), ", "), keys(l.Published))
		return err
	}
	return writeHeld(r.out, l.Held)
}

func (r *drainRun) projects() []string {
	names := slices.Sorted(maps.Keys(r.drain.Clouds))
	return slices.Insert(slices.DeleteFunc(names, func(p string) bool { return p == r.entry.Project }), 0, r.entry.Project)
}

// printDryRun prints the keys and what a look at them would remove.
func (r *drainRun) printDryRun(l drain.Look) error {
	if r.asJSON {
		return r.printJSON(l, nil)
	}
	var b bytes.Buffer
	for _, f := range r.keys {
		fmt.Fprintf(&b, "%s\t# %s\n", f.Key, f.Why)
	}
	fmt.Fprintf(&b, "# %s would be published; held: %s\n", keys(len(r.keys)), drain.CountOf(l.Held))
	if err := writeHeld(&b, l.Held); err != nil {
		return err
	}
	_, err := r.out.Write(b.Bytes())
	return err
}

// writeHeld writes what is held and what becomes of it.
func writeHeld(out io.Writer, held []drain.Held) error {
	if len(held) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tRESOURCE\tENDPOINTS\tKEY\tTO BE REMOVED")
	for _, h := range held {
		size, key := "-", "-"
		if h.Kind == drain.Group || !h.Kind.Ours() {
			size = fmt.Sprint(h.Size)
		}
		if h.Key.Service != "" {
			key = h.Key.String()
		}
		fmt.Fprintf(table, "%s\t%s/%s\t%s\t%s\t%s\n", h.Kind, h.Project, h.Name, size, key, fate(h))
	}
	return table.Flush()
}

func keys(n int) string { return neg.Count(n, "key", "keys") }

// fate is who removes a thing, and what is in the way.
func fate(h drain.Held) string {
	switch {
	case h.Kind == drain.ByGKE:
		return "by GKE's own controller, or by hand"
	case h.Kind == drain.Unproved:
		return "by hand: its description does not prove whose it is"
	case len(h.Users) > 0:
		return "once it is out of " + oneLine(strings.Join(h.Users, ", "))
	}
	return "by reconcile"
}

// jsonDrain is what drain --json prints.
type jsonDrain struct {
	Cluster   string      `json:"cluster"`
	UID       string      `json:"uid"`
	Projects  []string    `json:"projects"` // that were looked at, the cluster's first
	Free      bool        `json:"free"`     // nothing in them is the cluster's, nor names it
	Left      drain.Count `json:"left"`
	Held      []jsonHeld  `json:"held"`
	Published int         `json:"published"`        // messages; of a dry run none
	Keys      []jsonKey   `json:"keys,omitempty"`   // of a dry run: what would be published
	Silent    string      `json:"silent,omitempty"` // why the cluster itself told of no keys
	Error     string      `json:"error,omitempty"`
}

type jsonHeld struct {
	Kind      string   `json:"kind"`
	Project   string   `json:"project"`
	Resource  string   `json:"resource"`
	Key       string   `json:"key,omitempty"`
	Endpoints int      `json:"endpoints"`
	Users     []string `json:"users,omitempty"` // of somebody else's
	Removed   string   `json:"removed"`
}

type jsonKey struct {
	Key      string `json:"key"`
	Thorough bool   `json:"thorough"`
	Why      string `json:"why"`
}

func (r *drainRun) printJSON(l drain.Look, verdict error) error {
	doc := jsonDrain{
		Cluster: r.name, UID: r.entry.UID, Projects: r.projects(), Free: verdict == nil && len(l.Held) == 0,
		Left: drain.CountOf(l.Held), Held: []jsonHeld{}, Published: l.Published,
	}
	if r.dryRun {
		doc.Published = 0
	}
	for _, h := range l.Held {
		one := jsonHeld{Kind: string(h.Kind), Project: h.Project, Resource: h.Name, Endpoints: h.Size, Users: h.Users, Removed: fate(h)}
		if h.Key.Service != "" {
			one.Key = h.Key.String()
		}
		doc.Held = append(doc.Held, one)
	}
	for _, f := range r.keys {
		doc.Keys = append(doc.Keys, jsonKey{f.Key.String(), f.Thorough, f.Why})
	}
	if r.silent != nil {
		doc.Silent = r.silent.Error()
	}
	if verdict != nil {
		doc.Error = verdict.Error()
	}
	enc := json.NewEncoder(r.out)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// A board shows progress: on a terminal a table that is written over, elsewhere a line when
// something moved, or when nothing did for a while.
type board struct {
	out      io.Writer
	terminal bool
	drawn    int // lines of the table that stand on the terminal
	last     string
	said     time.Time
	began    time.Time
}

// quiet is how long a log may be without a line while nothing moves.
const quiet = 30 * time.Second

func newBoard(errs io.Writer) *board {
	f, ok := errs.(*os.File)
	return &board{out: errs, terminal: ok && terminal(f), began: time.Now()}
}

// note says something that stays. Nobody reads on when it cannot be written.
func (b *board) note(format string, args ...any) {
	b.end()
	fmt.Fprintf(b.out, "negfleet: "+format+"\n", args...)
}

// end leaves what stands on the terminal there.
func (b *board) end() { b.drawn = 0 }

func (b *board) show(cluster string, l drain.Look) {
	if !b.terminal {
		b.line(cluster, l)
		return
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "draining %s: %s published, %s\n", cluster, keys(l.Published), time.Since(b.began).Round(time.Second))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tLEFT\tAT FIRST")
	first := map[string]int{}
	for _, line := range l.First.Lines() {
		first[line.Name] = line.Number
	}
	for _, line := range drain.CountOf(l.Held).Lines() {
		fmt.Fprintf(table, "%s\t%d\t%d\n", line.Name, line.Number, first[line.Name])
	}
	_ = table.Flush() // a buffer takes it
	if b.drawn > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA\x1b[J", b.drawn)
	}
	b.drawn = bytes.Count(text.Bytes(), []byte("\n"))
	_, _ = b.out.Write(text.Bytes())
}

func (b *board) line(cluster string, l drain.Look) {
	text := fmt.Sprintf("left: %s; %s published", drain.CountOf(l.Held), keys(l.Published))
	if text == b.last && time.Since(b.said) < quiet {
		return
	}
	b.last, b.said = text, time.Now()
	fmt.Fprintf(b.out, "negfleet: %s: %s\n", cluster, text)
}
