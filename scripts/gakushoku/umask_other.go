//go:build !unix

package main

// keepToUser does nothing on systems where files inherit the permissions of their folder.
func keepToUser() {}
