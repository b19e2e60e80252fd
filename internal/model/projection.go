package model

import (
	"fmt"
	"slices"
	"strings"
)

// Projection is one revision of one projection.
type Projection struct {
	Name     string // such as "loans"
	Revision int    // of the fold; see infra/DESIGN.md section 6
	Streams  string // prefix of the names of the streams it folds; "" for all streams
	NewRow   func() Row
}

// Folds reports whether the projection folds a stream.
func (d Projection) Folds(stream string) bool { return strings.HasPrefix(stream, d.Streams) }

// Projections are all projection revisions in a program, and thus the ones that can fill a table version.
type Projections []Projection

// Names returns each projection's name once, in the order of the definitions.
func (ds Projections) Names() []string {
	var names []string
	for _, d := range ds {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// Revision returns one revision of a projection, or false if this program does not have it.
func (ds Projections) Revision(name string, revision int) (Projection, bool) {
	for _, d := range ds {
		if d.Name == name && d.Revision == revision {
			return d, true
		}
	}
	return Projection{}, false
}

// Newest returns the newest revision of a projection, or false if there is no such projection.
func (ds Projections) Newest(name string) (newest Projection, found bool) {
	for _, d := range ds {
		if d.Name == name && (!found || d.Revision > newest.Revision) {
			newest, found = d, true
		}
	}
	return newest, found
}

// Named is like Newest, but its error lists the projections that exist.
func (ds Projections) Named(name string) (Projection, error) {
	d, ok := ds.Newest(name)
	if !ok {
		return d, fmt.Errorf("there is no projection %q: choose one of %v", name, ds.Names())
	}
	return d, nil
}
