package controllers

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
)

const (
	maxEndpointsPerSlice = 100 // the upstream default
	discoveryEvery       = 30 * time.Second
)

// makeEndpointSlice writes each change at once: upstream's default batch
// period is zero as well, its concurrency is lower.
func makeEndpointSlice(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("endpointslice-controller")
	if err != nil {
		return nil, err
	}
	core := e.typed.Core().V1()
	c := endpointslice.NewController(e.ctx, core.Pods(), core.Services(), core.Nodes(),
		e.typed.Discovery().V1().EndpointSlices(), maxEndpointsPerSlice, client, 0)
	return func(ctx context.Context) { c.Run(ctx, 20) }, nil
}

func makeNamespace(e *environment) (func(context.Context), error) {
	config, err := e.clients.Config("namespace-controller")
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := namespace.NewNamespaceController(e.ctx, client, objects, client.Discovery().ServerPreferredNamespacedResources,
		e.typed.Core().V1().Namespaces(), 5*time.Minute, v1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, 10) }, nil
}

func makeGarbageCollector(e *environment) (func(context.Context), error) {
	config, err := e.clients.Config("generic-garbage-collector")
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c, err := garbagecollector.NewGarbageCollector(e.ctx, client, objects, e.mapper,
		garbagecollector.DefaultIgnoredResources(), e.all, e.started)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		var wg sync.WaitGroup
		wg.Go(func() { c.Run(ctx, 20, discoveryEvery) })
		wg.Go(func() { c.Sync(ctx, client.Discovery(), discoveryEvery) })
		wg.Wait()
	}, nil
}

func makeServiceAccount(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("service-account-controller")
	if err != nil {
		return nil, err
	}
	core := e.typed.Core().V1()
	c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(e.ctx), core.ServiceAccounts(),
		core.Namespaces(), client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

func makeRootCA(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("root-ca-cert-publisher")
	if err != nil {
		return nil, err
	}
	core := e.typed.Core().V1()
	c, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, e.rootCA)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

// makeTaintEviction deletes the Pods of a lost node when their tolerations
// run out: after 300 s unless the Pod says otherwise.
func makeTaintEviction(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("node-controller")
	if err != nil {
		return nil, err
	}
	core := e.typed.Core().V1()
	if err := controller.AddPodNodeNameIndexer(core.Pods().Informer()); err != nil {
		return nil, err
	}
	c, err := tainteviction.New(e.ctx, client, core.Pods(), core.Nodes(), "taint-eviction-controller")
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}
