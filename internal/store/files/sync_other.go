//go:build !unix

package files

// syncFolder does nothing where folders cannot be synced: the file system keeps the order of changes to
// names.
func syncFolder(string) error { return nil }
