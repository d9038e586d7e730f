package nodes

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// queue calls look for each key that was added, never twice at a time for one
// key, and again with growing delay after an error.
type queue struct {
	name string
	keys workqueue.TypedRateLimitingInterface[string]
	look func(ctx context.Context, key string) error
}

func newQueue(name string, look func(context.Context, string) error) *queue {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, 5*time.Second)
	return &queue{name: name, look: look, keys: workqueue.NewTypedRateLimitingQueue(limiter)}
}

func (q *queue) add(key string) { q.keys.Add(key) }

func (q *queue) addAfter(key string, d time.Duration) { q.keys.AddAfter(key, d) }

// run works until ctx ends and the looks under way are done.
func (q *queue) run(ctx context.Context, workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for q.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	q.keys.ShutDown()
	wg.Wait()
}

func (q *queue) next(ctx context.Context) bool {
	key, shutdown := q.keys.Get()
	if shutdown || ctx.Err() != nil {
		return false
	}
	defer q.keys.Done(key)
	if err := q.look(ctx, key); err != nil {
		if ctx.Err() == nil {
			klog.ErrorS(err, "look failed, will be repeated", "queue", q.name, "key", key)
		}
		q.keys.AddRateLimited(key)
		return true
	}
	q.keys.Forget(key)
	return true
}
