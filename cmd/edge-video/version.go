package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the Makefile; without it the module's own version counts.
var version string

type versionCommand struct{}

// Run prints one line.
func (versionCommand) Run(c console) error {
	_, err := fmt.Fprintf(c.out, "edge-video %s %s %s/%s\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
