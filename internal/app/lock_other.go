//go:build !unix

package app

import "os"

// tryLock has no lock to take: the stores are safe without it, only logs may suffer.
func tryLock(*os.File) error { return nil }
