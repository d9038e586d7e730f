// Package controllers runs the upstream controllers that the story needs, in
// one process: the workload controllers, endpointslice, namespace, garbage
// collector, service account, root CA publisher and taint eviction.
//
// It is the kube-controller-manager with most of it left out and its patience
// reduced: what it runs is upstream code, each controller under its own
// service account with a real token, so RBAC applies and the audit log names
// the same users as on a real cluster. Only the limits differ: request rates
// and concurrency are raised so that a storm is as long as the API server
// makes it.
package controllers

import (
	"context"
	"fmt"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"
)

const (
	qps   = 1000
	burst = 2000
)

// environment is what the constructors share.
type environment struct {
	ctx     context.Context
	clients clientbuilder.ControllerClientBuilder
	typed   informers.SharedInformerFactory
	all     informerfactory.InformerFactory
	mapper  meta.ResettableRESTMapper
	started chan struct{} // closed when the informers have been started
	rootCA  []byte
}

// Run runs the controllers until ctx ends.
func Run(ctx context.Context, config *rest.Config, caFile string) error {
	rootCA, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("controllers: read certificate authority: %w", err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = qps, burst
	e, err := newEnvironment(ctx, config, rootCA)
	if err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	var loops []func(context.Context)
	for _, c := range all {
		loop, err := c.make(e)
		if err != nil {
			return fmt.Errorf("controllers: make %s: %w", c.name, err)
		}
		loops = append(loops, loop)
	}
	e.all.Start(ctx.Done())
	close(e.started)
	var wg sync.WaitGroup
	for _, loop := range loops {
		wg.Go(func() { loop(ctx) })
	}
	wg.Wait()
	return nil
}

func newEnvironment(ctx context.Context, config *rest.Config, rootCA []byte) (*environment, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	typed := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim))
	partial := metadatainformer.NewSharedInformerFactoryWithOptions(objects, 0, metadatainformer.WithTransform(trim))
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.QPS, anonymous.Burst = qps, burst
	return &environment{
		ctx:     ctx,
		clients: clientbuilder.NewDynamicClientBuilder(anonymous, client.CoreV1(), "kube-system"),
		typed:   typed,
		all:     informerfactory.NewInformerFactory(typed, partial),
		mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		started: make(chan struct{}),
		rootCA:  rootCA,
	}, nil
}

// trim drops what no controller here reads.
func trim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
