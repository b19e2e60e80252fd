// Package runbook extracts the commands from the runbooks for operators (infra/runbooks) and runs them.
// Without a test that runs them such pages soon become wrong, and they are read at three in the morning.
//
// A page is Markdown. Its commands are in fenced blocks of kind sh. The rest of the fence line is for the
// program that runs the block; readers do not see it:
//
//	```sh              on a data folder; ends with exit code 0
//	```sh exit=1       ends with that exit code
//	```sh background   runs beside the blocks after it, and ends by itself
//	```sh aws          on a stack on AWS
//
// Blocks of kind text are shown and not run. No other kind is allowed, so that no command is missed by
// mistake.
package runbook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Block is a group of commands.
type Block struct {
	Section    string // the heading above the commands, without its #
	Line       int    // of the fence, from 1
	Commands   string
	AWS        bool // for a stack, not for a data folder
	Background bool
	Exit       int // the exit code with which they must end
}

const fence = "```"

// Blocks returns the command blocks of a page, in order.
func Blocks(page string) ([]Block, error) {
	var blocks []Block
	var open *Block // the block that has not ended yet
	var runs bool   // whether it has commands to run
	section := ""
	number := 0
	for line := range strings.Lines(page) {
		number++
		text := strings.TrimRight(line, "\r\n")
		info, isFence := strings.CutPrefix(text, fence)
		switch {
		case open == nil && isFence:
			block, commands, err := parseFence(info)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			block.Section, block.Line = section, number
			open, runs = &block, commands
		case open == nil && strings.HasPrefix(text, "#"):
			section = strings.TrimSpace(strings.TrimLeft(text, "#"))
		case open != nil && text == fence:
			if runs && strings.TrimSpace(open.Commands) == "" {
				return nil, fmt.Errorf("line %d: the block has no commands", open.Line)
			}
			if runs {
				blocks = append(blocks, *open)
			}
			open = nil
		case open != nil && isFence:
			return nil, fmt.Errorf("line %d: the block of line %d is not closed before another", number, open.Line)
		case open != nil:
			open.Commands += text + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block is not closed", open.Line)
	}
	return blocks, nil
}

// parseFence parses the fence line that opens a block.
func parseFence(info string) (b Block, commands bool, err error) {
	words := strings.Fields(info)
	if slices.Equal(words, []string{"text"}) {
		return b, false, nil
	}
	if len(words) == 0 || words[0] != "sh" {
		return b, false, fmt.Errorf("a block of kind %q: commands are of kind sh, what is only shown is text", info)
	}
	for _, word := range words[1:] {
		code, isExit := strings.CutPrefix(word, "exit=")
		switch {
		case word == "aws":
			b.AWS = true
		case word == "background":
			b.Background = true
		case isExit:
			if b.Exit, err = strconv.Atoi(code); err != nil || b.Exit < 0 || b.Exit > 255 {
				return b, false, fmt.Errorf("%q is no exit code", word)
			}
		default:
			return b, false, fmt.Errorf("what does %q mean behind sh? There are exit=N, background and aws", word)
		}
	}
	return b, true, nil
}
