// Package fakegce is a Compute Engine API over real HTTP, in memory. Real
// clients (the compute/v1 Go library, gcloud) drive it and see the wire shapes,
// the literal error texts and the operation life cycle of the real service.
//
// # How it is built
//
// A request meets a method: methods.go lists each one with its discovery name,
// path and parameters, and the conformance tests hold that list against the
// discovery document. A resource is a JSON document that is replaced, never
// edited, beside typed state where a rule needs it; one mutex guards the maps
// of resources and operations, and is held for no longer than it takes to check
// and to commit. Documents are encoded, and everything that waits waits,
// outside it.
//
// What a load balancer is made of are families (family.go): collections that
// differ in defaults, in which fields are links, and in one function that
// validates. The store keeps who links to whom in both directions, from the
// moment a mutation is accepted: what an insert or a patch under way will refer
// to is in use already, and what it no longer will is in use still.
//
// A mutation validates at once and answers with an operation. Its effect is
// committed when the operation finishes: at zero latency that is before the
// answer is written, though the answer still says RUNNING. Until then a new
// resource answers 404 to GET, 409 to a second insert and 400 resourceNotReady
// to every other mutation.
//
// Save and Load carry all of that to another process, operations under way too.
// Each document is written as it is; typed state, and who links to whom, is made
// from documents again, except for the members of groups.
//
// Health is another package's: aim (health.go) derives from the committed state
// which group is looked at by which backend service with which check, and tells
// the engine what changed. Whoever asks for health reads the engine.
//
// Started bare, every project exists, with a network "default" that has one
// subnetwork in each region. Instances, further networks and ranges are seeded or
// made by their own methods; whatever is in a network keeps it.
//
// # What nobody has documented
//
// Where no evidence says what the real API does there is a switch in Options,
// and its zero value is the stricter answer:
//
//   - AttachExisting: an endpoint that is attached already is refused (400
//     invalid); also "notFound" and "idempotent".
//   - DetachAbsent: an endpoint that is not there is refused (404 notFound);
//     also "invalid" and "idempotent".
//   - An endpoint named twice in one request follows the same two switches.
//   - InstanceEcho: lists name an endpoint's instance by full URL; also "name".
//   - ListLag: none. Lists, of endpoints too, show what there was so long ago.
//   - CommitAt: a mutation is visible when its operation is done; also "accept".
//   - RequestIDReuse: a request id seen again with another request answers the
//     first operation; also "conflict" (409).
//   - RejectOverlap: off. Two mutations of one group may be in flight together,
//     as controllers that send batches in parallel rely on; on, the second is
//     refused with 400 resourceNotReady.
//   - MissingFingerprint: a patch or an update of a backend service or a URL
//     map without one is refused (400 required); also "conditionNotMet" (412)
//     and "optional", with which a patch passes.
//   - Texts: refusals name what is wrong, in words seen in the wild or made up in
//     their manner; also "other", which name nothing.
//   - HealthDelay: none. How long after an attach the probers know of an endpoint;
//     until then nothing is said of it (HealthPending: "absent"), or UNKNOWN.
//   - RateQuota: none; RateStatus: 403, also 429, for a call past it.
//   - DrainingHidden: off. What was detached and still drains is listed, as
//     DRAINING, when health is asked for.
//   - DeniedPermissions: none. To ask for the permissions on what is not there
//     is 404.
//   - Quota: none. The insert past one fails inside its operation with
//     QUOTA_EXCEEDED.
//
// The filter operator ":" on a string means "contains, whatever the case"; the
// documented form for a part of a string is `field eq ".*part.*"`.
package fakegce
