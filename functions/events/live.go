package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/neg"
	"golang.org/x/sync/errgroup"
)

// readers bounds the live reads of one batch that run at the same time.
const readers = 8

// ask answers the questions that it can; the error joins those that it could not.
func (h *handler) ask(ctx context.Context, questions []question) (map[question]answers, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.ReadTimeout)
	defer cancel()
	found := map[question]answers{}
	var errs []error
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(readers)
	for _, q := range questions {
		g.Go(func() error {
			a, err := within(ctx, h.ReadTimeout/2, func(ctx context.Context) (answers, error) { return h.read(ctx, q) })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("read %s of %s/%s: %w", q.what, q.cluster, q.namespace, err))
			}
			found[q] = a
			return nil
		})
	}
	_ = g.Wait()
	return found, errors.Join(errs...)
}

func (h *handler) read(ctx context.Context, q question) (a answers, err error) {
	switch q.what {
	case audit.SliceOwner:
		// A slice that is gone has been deleted since, and that is logged too.
		service, exists, err := h.Services.ServiceOfSlice(ctx, q.cluster, q.namespace, q.name)
		if exists && service != "" {
			a.services = []string{service}
		}
		return a, err
	case audit.IngressServices:
		a.services, err = h.Services.IngressServices(ctx, q.cluster, q.namespace)
	case audit.AllServices:
		a.services, err = h.Services.ServicesIn(ctx, q.cluster, q.namespace)
	case audit.Selecting:
		a.selectors, err = h.selectors.in(ctx, q.cluster, q.namespace)
	}
	return a, err
}

// within bounds one read. A cluster that does not answer in that time is down, and its
// questions are left to the sweep; those that were cut off because the whole batch took
// too long are asked again.
func within[T any](ctx context.Context, most time.Duration, read func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	found, err := read(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = neg.Block("ClusterUnreachable", "no answer in %s: %w", most, err)
	}
	return found, err
}
