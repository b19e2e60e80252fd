package sqlite

import "io/fs"

// records is the file of a store that is read and written by short statements.
type records struct{ db *database }

// Close closes the file. It may be called again.
func (r *records) Close() error { return r.db.close() }

// InPlace fails with ErrReplaced if the path leads to another file than the open one, or to none.
func (r *records) InPlace() error { return r.db.inPlace() }

// Glance is InPlace for use at each commit of another store: it checks only the file itself.
func (r *records) Glance() error { return r.db.glance() }

// File returns the open file, wherever its path now leads.
func (r *records) File() fs.FileInfo { return r.db.place.file }
