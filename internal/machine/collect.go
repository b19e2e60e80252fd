package machine

import (
	"os"
	"runtime/debug"
)

// CollectLess lets garbage grow to four times what is kept, unless GOGC says otherwise. It is for
// programs that keep little and let go of much, page by page or request by request: a tenth of
// their processor time is saved, for some tens of megabytes.
func CollectLess() {
	const percent = 400
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
