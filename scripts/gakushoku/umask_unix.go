//go:build unix

package main

import "syscall"

// keepToUser lets every file and folder that this process makes be its user's alone, whoever makes
// it: SQLite, the writer of logs, an export. Orders name people.
func keepToUser() { syscall.Umask(0o077) }
