package costs

import (
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/operators/costs.md anew")

const page = "../../docs/operators/costs.md"

// TestPage: the page's table is what the calculator says.
func TestPage(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- costs: begin -->\n", "<!-- costs: end -->\n"
	before, rest, ok := strings.Cut(string(data), begin)
	is, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	want := Table(Reference, Usual, List)
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, is); diff != "" {
		t.Errorf("%s (-worked out +is; -update writes it):\n%s", page, diff)
	}
}

// TestByHand holds the calculator to a fleet that can be worked out on paper: 1 Service of 10
// Pods, rolled out once a day for 30.4167 days, with no upgrades.
func TestByHand(t *testing.T) {
	m, lines := Bill(Fleet{Clusters: 1, Services: 1, Pods: 10, Rollouts: 1}, Usual, List)
	for what, c := range map[string][2]float64{
		"rollouts": {m.Rollouts, 30.4167},
		"replaced": {m.Replaced, 304.167},
		"entries":  {m.Entries, 1825},
		"keys":     {m.Keys, 1825 + 304.167 + 730},
		// 1,825 requests and 182.5 s of 1 vCPU and 0.5 GiB
		"events": {lines[0].List, 1825*0.4e-6 + 182.5*(2.4e-5+0.5*2.5e-6)},
		// 608.33 looks of 3 s, the other 2,250.83 of 0.1 s, 1 GiB
		"reconcile": {lines[1].List, 2859.167*0.4e-6 + (1825+225.083)*(2.4e-5+2.5e-6)},
		"readiness": {lines[2].List, 1825*0.4e-6 + 30.4167*300*(2.4e-5+0.5*2.5e-6)},
		"sweep":     {lines[3].List, 4380*0.4e-6 + 4380*20*(2.4e-5+0.5*2.5e-6)},
		"admission": {lines[4].List, 304.167*0.4e-6 + 30.4167*(2.4e-5+1.25e-6) + (2628000-30.4167)*3.75e-6},
		"Pub/Sub":   {lines[7].List, (2*1825*2600 + 2*(2859.167+1825)*1000) * 40 / (1 << 40)},
		"Scheduler": {lines[9].List - lines[9].Free, 0},
	} {
		if math.Abs(c[0]-c[1]) > 0.001*math.Max(1e-3, math.Abs(c[1])) {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	// Free are all requests, and the 100,684 vCPU-s that were worked.
	var worked float64
	for _, u := range m.Functions {
		worked += u.Seconds
	}
	if free := lines[6].Free; free < worked*List.VCPU || worked > List.FreeVCPU {
		t.Errorf("%v vCPU-s worked, $%v free", worked, free)
	}
}

// TestFree: no resource has more free than it costs, and more of everything costs more.
func TestFree(t *testing.T) {
	total := func(f Fleet) (list, due float64) {
		_, lines := Bill(f, Usual, List)
		for _, l := range lines {
			list, due = list+l.List, due+l.List-l.Free
		}
		return list, due
	}
	list, due := total(Reference)
	if due < 0 || due > list {
		t.Errorf("list %v, due %v", list, due)
	}
	for name, grow := range map[string]func(*Fleet){
		"Services": func(f *Fleet) { f.Services *= 2; f.Pods *= 2 }, "rollouts": func(f *Fleet) { f.Rollouts *= 2 }, "upgrades": func(f *Fleet) { f.Moves++ },
	} {
		f := Reference
		grow(&f)
		if more, _ := total(f); more <= list {
			t.Errorf("more %s cost $%v, fewer $%v", name, more, list)
		}
	}
}
