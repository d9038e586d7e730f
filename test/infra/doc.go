// Package infra holds the Terraform of infra/ to the rest. Terraform itself evaluates it, against
// providers that a program of stubprovider/ stands in for, and what it would make is compared
// with what scripts/deploy says it would run: the two are one deployment. Where no Terraform is
// installed, the same files are read, and their references and arguments checked, by hcl.
//
// What the alerts count is compared with what the functions write: each runs, before emulated
// clusters and cloud, and the filters are evaluated on the lines. It has tests only, but for
// logfilter, which evaluates such filters.
package infra
