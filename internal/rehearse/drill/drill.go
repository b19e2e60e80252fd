// Package drill rehearses incidents: it opens a canteen in a temporary folder, with the real
// embedded server and guests, breaks something on purpose, and then does what the runbook says
// about it, with the runbook's own commands. Each drill checks that the breakage shows, that the page leads
// to its cause, that the repair mends it, and that all is well afterwards. The report says how long each part
// took. A failed drill means that an alarm, a page or the system has a fault.
package drill

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"gakushoku/infra"
	"gakushoku/internal/operate/runbook"
)

// Drill is one incident.
type Drill struct {
	Name  string
	Title string // what people say
	Page  string // of infra/runbooks

	broken string // what is broken, in words
	breaks func(context.Context, *canteen) error
	signs  []sign // what shows it; each has to come
	steps  []step // what people do then, in order
}

// step is a section of the page whose commands are run, or something done by hand.
type step struct {
	section string
	shows   []string                  // what the commands have to print
	check   func(output string) error // what else has to be so; may be nil

	hand string // in words
	do   func(context.Context, *canteen) error
}

// All returns the drills, in the order in which to learn them.
func All() []Drill {
	return []Drill{
		lostOperation(), paidButUnpaid(), poisonEvent(), lostRows(),
		stuckArchiver(), slowStore(), clockSkew(), diskFull(), providerDown(), stuckCheckout(),
	}
}

// Find returns the drill with a name.
func Find(name string) (Drill, bool) {
	all := All()
	i := slices.IndexFunc(all, func(d Drill) bool { return d.Name == name })
	if i < 0 {
		return Drill{}, false
	}
	return all[i], true
}

// Runs reports whether a drill runs the commands of a section of a page.
func Runs(page, section string) bool {
	return slices.ContainsFunc(All(), func(d Drill) bool {
		return d.Page == page && slices.ContainsFunc(d.steps, func(s step) bool { return s.section == section })
	})
}

// blocks returns the commands of a section that are for a data folder.
func (d *Drill) blocks(section string) ([]runbook.Block, error) {
	page, err := fs.ReadFile(infra.Runbooks(), d.Page)
	if err != nil {
		return nil, fmt.Errorf("reading the runbook: %w", err)
	}
	blocks, err := runbook.Blocks(string(page))
	if err != nil {
		return nil, fmt.Errorf("%s, %w", d.Page, err)
	}
	blocks = slices.DeleteFunc(blocks, func(b runbook.Block) bool { return b.AWS || b.Section != section })
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s has no section %q with commands", d.Page, section)
	}
	return blocks, nil
}

// Report is the result of a drill.
type Report struct {
	Drill    string `json:"drill"`
	Title    string `json:"title"`
	Page     string `json:"runbook"`
	OK       bool   `json:"ok"`
	Problem  string `json:"problem,omitempty"` // what did not hold
	Broken   string `json:"broken"`
	Signs    []Seen `json:"signs"`
	Steps    []Done `json:"steps"`
	Over     []Seen `json:"over"`               // how it is known to be over
	DetectMs int64  `json:"detectMs,omitempty"` // from the breakage to the first sign
	RepairMs int64  `json:"repairMs,omitempty"` // from the first sign until all is over
	Guests   Guests `json:"guests"`
	TookMs   int64  `json:"tookMs"`
	Folder   string `json:"folder,omitempty"` // where the canteen was left
}

// Seen is a sign, and how long after the breakage it was noticed.
type Seen struct {
	What    string `json:"what"`
	Detail  string `json:"detail,omitempty"`
	AfterMs int64  `json:"afterMs"`
}

// Done is a step that was done.
type Done struct {
	Section string `json:"section,omitempty"` // of the runbook: its commands
	Hand    string `json:"hand,omitempty"`    // without commands
	TookMs  int64  `json:"tookMs"`
	Output  string `json:"output,omitempty"` // of the commands
}

// Guests counts the guests' requests during the drill.
type Guests struct {
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	Wrong    int `json:"wrong"` // responses that did not show what the guest had just done
}

func ms(d time.Duration) int64 { return d.Milliseconds() }
