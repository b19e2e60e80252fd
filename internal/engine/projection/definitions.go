package projection

import (
	"fmt"
	"slices"
)

// Definitions are the revisions of projections that a program has: what a table version may be
// filled by.
type Definitions []Definition

// All are the revisions of every projection of the canteen. A new revision stands here beside
// the old one until no table version is filled by that any more.
func All() Definitions { return Definitions{Orders()} }

// Names are the projections, each once, in the order of the definitions.
func (ds Definitions) Names() []string {
	var names []string
	for _, d := range ds {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// Revision is one revision of a projection; false when this program does not have it.
func (ds Definitions) Revision(name string, revision int) (Definition, bool) {
	for _, d := range ds {
		if d.Name == name && d.Revision == revision {
			return d, true
		}
	}
	return Definition{}, false
}

// Newest is the newest revision of a projection; false when there is no such projection.
func (ds Definitions) Newest(name string) (newest Definition, found bool) {
	for _, d := range ds {
		if d.Name == name && (!found || d.Revision > newest.Revision) {
			newest, found = d, true
		}
	}
	return newest, found
}

// Named is Newest with an error that says what there is.
func (ds Definitions) Named(name string) (Definition, error) {
	d, ok := ds.Newest(name)
	if !ok {
		return d, fmt.Errorf("there is no projection %q: choose one of %v", name, ds.Names())
	}
	return d, nil
}
