package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml
var pom []byte

// fetch downloads DynamoDB Local and its dependencies into the cache, unless they are there. It returns the
// folder of the jars.
func fetch(ctx context.Context, cache string) (string, error) {
	version, err := localVersion()
	if err != nil {
		return "", err
	}
	cache, err = filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	jars := filepath.Join(cache, version)
	if _, err := os.Stat(jars); err == nil {
		return jars, nil
	}
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return "", fmt.Errorf("mvn is not on the PATH: install Apache Maven 3 (and Java 17 or later), it fetches DynamoDB Local %s from Maven Central once", version)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	// Everything goes into a separate folder first: the final name appears only once everything is there,
	// even if two processes fetch at once.
	work, err := os.MkdirTemp(cache, "fetching-")
	if err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	defer os.RemoveAll(work)
	if err := copyJars(ctx, maven, work, version); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(work, "jars"), jars); err != nil {
		if _, there := os.Stat(jars); there != nil {
			return "", fmt.Errorf("keeping DynamoDB Local: %w", err)
		}
	}
	return jars, nil
}

// copyJars runs Maven to put the jars into work/jars.
func copyJars(ctx context.Context, maven, work, version string) error {
	file := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return fmt.Errorf("writing for Maven: %w", err)
	}
	fmt.Fprintf(os.Stderr, "dynamodb-local: fetching DynamoDB Local %s from Maven Central\n", version)
	cmd := gently(exec.CommandContext(ctx, maven, "--batch-mode", "--quiet", "--file", file,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DincludeTypes=jar", "-DoutputDirectory="+filepath.Join(work, "jars")))
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("fetching DynamoDB Local %s with Maven: %w\n%s\nIs Maven Central, or the mirror in ~/.m2/settings.xml, within reach?", version, err, bytes.TrimSpace(output))
	}
	return nil
}

// localVersion returns the version of DynamoDB Local in the pom.
func localVersion() (string, error) {
	var project struct {
		Version string `xml:"dependencies>dependency>version"`
	}
	if err := xml.Unmarshal(pom, &project); err != nil {
		return "", fmt.Errorf("reading pom.xml: %w", err)
	}
	if project.Version == "" {
		return "", fmt.Errorf("reading pom.xml: it names no version of DynamoDB Local")
	}
	return project.Version, nil
}
