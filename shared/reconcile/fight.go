package reconcile

import (
	"fmt"
	"maps"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

const (
	// maxUndone is how many looks in fightWindow may find their key's endpoints undone
	// until somebody is said to fight over them.
	maxUndone   = 3
	fightWindow = 10 * time.Minute
	// maxMembers bounds what is remembered of one key: a fight is over few endpoints, or
	// some of the many will do to notice it.
	maxMembers = 1000
)

// A member is an endpoint of a group.
type member struct {
	group    neg.GroupID
	endpoint neg.Endpoint
}

// A fight is what this instance did to a key's endpoints lately, and how often a look
// found that somebody had undone it. Whoever undoes it next time finds no loop: each look
// repairs once, and causes none.
type fight struct {
	last   time.Time
	mine   map[member]bool // true: attached here, false: detached
	undone int
	over   string // the last member that was undone
}

// after is the fight after one more look.
func (f fight) after(planned, taken []plan.Step, now time.Time) fight {
	next := fight{last: now, mine: map[member]bool{}}
	if now.Sub(f.last) < fightWindow {
		maps.Copy(next.mine, f.mine)
		next.undone, next.over = f.undone, f.over
	}
	if m, again := next.redone(planned); again {
		next.undone++
		next.over = fmt.Sprintf("%s in group %s", m.endpoint, m.group)
	}
	for m, attached := range members(taken) {
		if _, known := next.mine[m]; known || len(next.mine) < maxMembers {
			next.mine[m] = attached
		}
	}
	return next
}

// redone finds a step that was taken here before.
func (f fight) redone(planned []plan.Step) (member, bool) {
	for m, attach := range members(planned) {
		if did, known := f.mine[m]; known && did == attach {
			return m, true
		}
	}
	return member{}, false
}

// members are the endpoints of steps, in their order, and whether they are attached.
func members(steps []plan.Step) func(yield func(member, bool) bool) {
	return func(yield func(member, bool) bool) {
		for _, s := range steps {
			if s.Op != plan.Attach && s.Op != plan.Detach {
				continue
			}
			for _, e := range s.Endpoints {
				if !yield(member{s.Group, e}, s.Op == plan.Attach) {
					return
				}
			}
		}
	}
}

// noticeFight makes a problem of a fight.
func (l *look) noticeFight() {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	old := l.r.fights[l.key]
	if old.mine == nil && len(l.result.Taken) == 0 {
		return
	}
	f := old.after(l.result.Planned, l.result.Taken, l.r.Now())
	if l.r.fights == nil || len(l.r.fights) > 10000 {
		l.r.fights = map[neg.Key]fight{}
	}
	l.r.fights[l.key] = f
	if f.undone >= maxUndone && f.undone > old.undone {
		l.problems = append(l.problems, plan.Problem{Reason: "FightingWriter", Message: fmt.Sprintf(
			"%d looks within %v found undone what they had done, lately %s; something else writes the same groups, and each look repairs them once more", f.undone, fightWindow, f.over)})
	}
}
