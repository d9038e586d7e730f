package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version and commit are set at build time: -ldflags "-X main.version=v1.2.3". Without a
// commit it is what the Go command noted of the tree.
var (
	version = "dev"
	commit  string
)

func versionCommand(args []string, out io.Writer) error {
	asJSON, rest, err := parseFlags("version", args)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return usageError{"version: takes no arguments"}
	}
	of := cmp.Or(commit, noted(), "unknown")
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]string{"version": version, "commit": of, "go": runtime.Version()})
	}
	_, err = fmt.Fprintf(out, "negfleet %s (commit %s, %s)\n", version, of, runtime.Version())
	return err
}

// noted is the commit that the Go command found the tree at.
func noted() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
