// Package fakeapis stands in for the Google Cloud APIs that scripts/deploy and
// scripts/undeploy reach by gcloud, and negfleet doctor by itself: IAM, Resource Manager,
// Service Usage, Secret Manager, Pub/Sub's administration, Cloud Functions with the upload of
// sources, Cloud Run, Cloud Scheduler and Cloud Logging's sinks and entries.
//
// It keeps what is sent and returns it. Beyond that it refuses what the real ones refuse and
// a script can get wrong by order or repetition: making what is there (409), reaching what
// is not (404), granting to an account or by a custom role that does not exist, a
// subscription without its topic, a function without its account or secret, a change of a
// role that is deleted. It checks no caller's rights, but tells by policies and custom roles
// what an account may do, and knows only the methods that the scripts and doctor use; any
// other is refused and remembered (Unknown). It must not be taken for an emulator of these
// APIs.
package fakeapis
