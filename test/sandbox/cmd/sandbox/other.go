//go:build !linux

// Command sandbox runs on Linux alone.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "sandbox: needs Linux: its Pods listen on addresses of 127.0.0.0/8, which %s does not have\n", runtime.GOOS)
	os.Exit(1)
}
