// Package storm tests negfleet in bad weather. Each seed is a fleet of its own: two
// clusters, two instances of the reconcile function behind a balancer, and a cloud with
// its undocumented switches set at random. For some hundred steps Pods, Services,
// annotations and instances change, addresses of Pods come back soon, endpoints go and
// come within moments, people meddle, and a rival takes the endpoints of one Service. A
// tenth of all calls to Compute and to the clusters fail, some when their work is done.
// Instances die between two of their calls, and some deliveries go to both at once. Of the
// events three in ten are lost, three come again, the rest comes late and in any order,
// and the webhook's hints precede what they tell of. In every other seed no entry of an
// EndpointSlice is ever seen, those of Pods and Services alone. Then the weather clears,
// one sweep asks for every key, and:
//
//   - no endpoint that was live and wanted was detached: every removal in the cloud's
//     timeline is held against what the instance that sent it could have read in the 10 s
//     before, which is stricter than those 10 s
//   - the cloud is exactly as desired, within two looks at each key, and at rest after
//   - nothing that is not negfleet's was written, in the cloud or in a cluster
//   - the rival is told of, and each of its deeds causes one look
//
// What is desired is worked out here from the objects in the clusters, without
// shared/plan. Each step notes what was wanted from when to when, and each instance's
// reads of the clusters are noted.
//
//	make storm SEEDS=7
//
// Order and timing are the machine's; a seed repeats the choices, not the interleaving.
package storm
