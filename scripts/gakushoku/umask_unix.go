//go:build unix

package main

import "syscall"

// keepToUser keeps every file and folder that this process creates private to its user, whether SQLite,
// the log writer or an export creates it. Orders name people.
func keepToUser() { syscall.Umask(0o077) }
