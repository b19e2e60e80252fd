//go:build unix

package main

import "syscall"

// keepToUser makes all files and folders that this process creates private to its user, including those
// created by SQLite, the log writer or an export. Orders contain names of people.
func keepToUser() { syscall.Umask(0o077) }
