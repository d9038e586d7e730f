// Package deploy holds scripts/deploy, scripts/undeploy and scripts/smoke to what they say:
// what a dry run prints is compared with golden files, and the real gcloud runs against a
// stand-in of Google's APIs, whose state is looked at then. It has tests only.
package deploy
