// Package plan decides. Desired says what groups a Service should have, Diff says which
// steps lead there from what was observed, and a Policy says which of them may be
// taken. A Step prints itself and says why; the same text is the log line, the output of
// "negfleet plan" and the golden file.
//
// Two rules shape it. Desired and observed are of one type, so that Diff has one right
// answer. And unknown is not empty: where the cluster cannot say what is wanted
// (no EndpointSlice, an endpoint whose node nobody knows, a port that the Service does
// not have), Desired repeats what was observed, and the ordinary Diff leaves it alone.
//
// Everything here is a pure function of values. The package imports neg and the standard
// library alone and must not do I/O, log, read a clock or take a context.
package plan
