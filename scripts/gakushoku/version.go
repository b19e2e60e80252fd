package main

import (
	"runtime"
	"runtime/debug"
)

type versionCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// build is what the toolchain recorded about this program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified"` // built from a tree with changes that are not in Revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (c *versionCommand) Run(p *program) error {
	b := readBuild()
	if c.JSON {
		return p.printJSON(b)
	}
	revision := ""
	if b.Revision != "" {
		revision = " " + b.Revision
		if b.Modified {
			revision += " (modified)"
		}
		if b.Time != "" {
			revision += " of " + b.Time
		}
	}
	return p.printf("gakushoku %s%s, %s, %s\n", b.Version, revision, b.Go, b.Platform)
}

func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
