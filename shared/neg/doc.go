// Package neg holds the nouns of negfleet: the Key that is reconciled, the
// endpoints, zones and groups it is made of, their names, the annotations that
// ask for them and the description that proves who owns them.
//
// Everything here is a value or a pure function of values. The package uses the
// standard library alone and must not do I/O, log, read a clock or know Kubernetes or
// Compute types: adapters translate at the edge, so that plan and the tests
// speak one small language.
package neg
