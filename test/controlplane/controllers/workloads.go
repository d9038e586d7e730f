package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

// entry is one row of the table: the service account's name, which is
// also the controller's, and how to make its loop.
type entry struct {
	name string
	make func(*environment) (func(context.Context), error)
}

var all = []entry{
	{"deployment-controller", makeDeployment},
	{"replicaset-controller", makeReplicaSet},
	{"statefulset-controller", makeStatefulSet},
	{"daemon-set-controller", makeDaemonSet},
	{"job-controller", makeJob},
	{"endpointslice-controller", makeEndpointSlice},
	{"namespace-controller", makeNamespace},
	{"generic-garbage-collector", makeGarbageCollector},
	{"service-account-controller", makeServiceAccount},
	{"root-ca-cert-publisher", makeRootCA},
	{"node-controller", makeTaintEviction},
}

func makeDeployment(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("deployment-controller")
	if err != nil {
		return nil, err
	}
	apps := e.typed.Apps().V1()
	c, err := deployment.NewDeploymentController(e.ctx, apps.Deployments(), apps.ReplicaSets(),
		e.typed.Core().V1().Pods(), client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 20) }, nil
}

func makeReplicaSet(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("replicaset-controller")
	if err != nil {
		return nil, err
	}
	c := replicaset.NewReplicaSetController(e.ctx, e.typed.Apps().V1().ReplicaSets(),
		e.typed.Core().V1().Pods(), client, replicaset.BurstReplicas)
	return func(ctx context.Context) { c.Run(ctx, 20) }, nil
}

func makeStatefulSet(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("statefulset-controller")
	if err != nil {
		return nil, err
	}
	apps, core := e.typed.Apps().V1(), e.typed.Core().V1()
	c := statefulset.NewStatefulSetController(e.ctx, core.Pods(), apps.StatefulSets(),
		core.PersistentVolumeClaims(), apps.ControllerRevisions(), client)
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

func makeDaemonSet(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("daemon-set-controller")
	if err != nil {
		return nil, err
	}
	apps, core := e.typed.Apps().V1(), e.typed.Core().V1()
	c, err := daemon.NewDaemonSetsController(e.ctx, apps.DaemonSets(), apps.ControllerRevisions(),
		core.Pods(), core.Nodes(), client, flowcontrol.NewBackOff(time.Second, 15*time.Minute))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

func makeJob(e *environment) (func(context.Context), error) {
	client, err := e.clients.Client("job-controller")
	if err != nil {
		return nil, err
	}
	c, err := job.NewController(e.ctx, client, e.typed.Core().V1().Pods(), e.typed.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}
