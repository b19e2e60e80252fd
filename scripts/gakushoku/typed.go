package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

var (
	option       = regexp.MustCompile(`^(--[a-z-]+|-[a-z])$`)
	negative     = regexp.MustCompile(`^-[0-9]`)
	noValue      = regexp.MustCompile(`^(--[a-z-]+): expected .* value but got ("EOL"|"[^"]*" \((short|long) flag\))`)
	noDuration   = regexp.MustCompile(`^(--[a-z-]+): expected duration but got ("[^"]*")`)
	noNumber     = regexp.MustCompile(`^(--[a-z-]+): expected a valid .* int but got ("[^"]*")`)
	strayAfterIt = regexp.MustCompile(`^unexpected argument (\S+)`)
)

// fromHabit turns what people type by the habit of other programs into our commands: "help COMMAND" into
// "COMMAND --help", and --version alone into "version".
func fromHabit(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// joinNegative joins a negative number to the option before it, so that the option's check explains the
// mistake: kong would mistake the number for an option.
func joinNegative(args []string) []string {
	joined := slices.Clone(args)
	for i := len(joined) - 1; i > 0; i-- {
		if negative.MatchString(joined[i]) && option.MatchString(joined[i-1]) {
			between := "=" // -n-1 has no separator
			if len(joined[i-1]) == len("-n") {
				between = ""
			}
			joined = slices.Replace(joined, i-1, i+1, joined[i-1]+between+joined[i])
		}
	}
	return joined
}

// inWords rephrases what kong found wrong.
func inWords(err error, args []string) error {
	text := err.Error()
	if m := noValue.FindStringSubmatch(text); m != nil {
		return errors.New(m[1] + " needs a value")
	}
	if m := noDuration.FindStringSubmatch(text); m != nil {
		return errors.New(m[1] + ": " + m[2] + " is not a duration, such as 500ms, 24h or 7d")
	}
	if m := noNumber.FindStringSubmatch(text); m != nil {
		return errors.New(m[1] + ": " + m[2] + " is not a whole number")
	}
	m := strayAfterIt.FindStringSubmatch(text)
	if at := slices.Index(args, "--slow"); m != nil && at >= 0 && strings.Join(args[at+1:min(at+2, len(args))], "") == m[1] {
		return errors.New("unexpected argument " + m[1] + ": write --slow=" + m[1])
	}
	return err
}
