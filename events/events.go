// Package events holds samples: what each function receives on AWS, logs, and a menu. Programs take the menu from
// here, so that the one that is played with and the one that is shown are the same file.
package events

import _ "embed" // for the menu

//go:embed menu.csv
var menu []byte

// Menu is the sample menu, as a file that `gakushoku menu import` reads. The caller must not change it.
func Menu() []byte { return menu }
