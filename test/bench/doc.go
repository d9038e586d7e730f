// Package bench measures the reconcile function before emulators in the same process,
// where calls can be counted exactly and nothing but negfleet takes time worth speaking
// of. What takes a real control plane is measured in test/sandbox/bench.
//
//	go test ./test/bench -v                      counts alone
//	go test ./test/bench -v -bench-out FILE      everything; a JSON line for each number
//
// Every number stands beside its target. Counts must be met; a time or a size fails at
// five times its target. Times are worth something without -race only.
package bench
