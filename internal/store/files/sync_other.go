//go:build !unix

package files

// syncFolder does nothing where folders cannot be synced: there the file system keeps the
// order of changes to names by itself.
func syncFolder(string) error { return nil }
