package events

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/negfleet/negfleet/shared/audit"
	"golang.org/x/sync/errgroup"
)

// readers bounds the live reads of one batch that run at the same time.
const readers = 8

// ask answers the questions that it can; the error joins those that it could not.
func (h *handler) ask(ctx context.Context, questions []question) (map[question][]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.ReadTimeout)
	defer cancel()
	found := map[question][]string{}
	var errs []error
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(readers)
	for _, q := range questions {
		g.Go(func() error {
			services, err := h.read(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("read %s of %s/%s: %w", q.what, q.cluster, q.namespace, err))
			}
			found[q] = services
			return nil
		})
	}
	_ = g.Wait()
	return found, errors.Join(errs...)
}

func (h *handler) read(ctx context.Context, q question) ([]string, error) {
	switch q.what {
	case audit.SliceOwner:
		// A slice that is gone has been deleted since, and that is logged too.
		service, exists, err := h.Services.ServiceOfSlice(ctx, q.cluster, q.namespace, q.name)
		if !exists || service == "" || err != nil {
			return nil, err
		}
		return []string{service}, nil
	case audit.IngressServices:
		return h.Services.IngressServices(ctx, q.cluster, q.namespace)
	}
	return h.Services.ServicesIn(ctx, q.cluster, q.namespace)
}
