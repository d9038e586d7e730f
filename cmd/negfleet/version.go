package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set at build time: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func versionCommand(args []string, out io.Writer) error {
	asJSON, rest, err := parseFlags("version", args)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return usageError{"version: takes no arguments"}
	}
	commit := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]string{"version": version, "commit": commit, "go": runtime.Version()})
	}
	_, err = fmt.Fprintf(out, "negfleet %s (commit %s, %s)\n", version, commit, runtime.Version())
	return err
}
