// Package imports holds the rules of docs/design.md on who may import whom, and that each
// dependency is explained. It has tests only.
package imports
