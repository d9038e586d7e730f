// Package release holds what is released, and how it is checked: reproducible builds, notes,
// the vulnerability check, workflows. It has tests only.
package release
