package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
)

// The exit codes. Commands that judge (verify) end with exitFailed if what they checked is not sound, and
// with exitUnknown if they could not find out. For every command, a data folder that is missing, cannot be
// opened or has lost events is exitUnknown.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitUnknown = 2
	exitNotYet  = 3 // what was asked for has not happened yet
)

// commandLine declares all commands and options.
type commandLine struct {
	Data     string `help:"Data folder: events, read models, logs. Default: ${default}." default:"gakushoku-data" env:"GAKUSHOKU_DATA" placeholder:"DIR" short:"d" predictor:"folder"`
	Config   string `help:"Configuration file, YAML. Default: gakushoku.yaml, if it is there." env:"GAKUSHOKU_CONFIG" placeholder:"FILE" predictor:"file"`
	LogLevel string `help:"Lowest level that is logged: trace, debug, info, warn or error. Default: ${default}." default:"info" env:"GAKUSHOKU_LOG_LEVEL" placeholder:"LEVEL"`

	file *configFile

	Serve      serveCommand       `cmd:"" help:"Run the whole system in this process: HTTP, projector, health."`
	Standby    standbyCommands    `cmd:"" help:"Follow another installation, and look at how far it is."`
	Promote    promoteCommand     `cmd:"" help:"Make a standby the primary."`
	Rejoin     rejoinCommand      `cmd:"" help:"Bring an old primary back as a standby."`
	Keys       keysCommands       `cmd:"" help:"Make, list and end the keys of devices."`
	Token      tokenCommand       `cmd:"" help:"Make a token for local work and tests."`
	Authz      authzCommands      `cmd:"" help:"Explain who may do what."`
	Events     eventsCommands     `cmd:"" help:"Bring events in and out, and look at them."`
	Menu       menuCommands       `cmd:"" help:"Bring the menu in."`
	Cache      cacheCommands      `cmd:"" help:"Look at the lists that processes keep in memory, and clear them."`
	Reproject  reprojectCommand   `cmd:"" help:"Make read models from a file of events."`
	Projection projectionCommands `cmd:"" help:"Look at read models, verify, repair and rebuild them."`
	Process    processCommands    `cmd:"" help:"Look at what processes have to do, try it again or call it off."`
	Upkeep     upkeepCommands     `cmd:"" name:"maintenance" help:"Look at the room that everything takes, and tidy it up."`
	Archive    archiveCommands    `cmd:"" help:"Look at the log of all events, verify and repair it."`
	Backup     backupCommands     `cmd:"" help:"Make, check and remove backups."`
	Restore    restoreCommand     `cmd:"" help:"Make a new data folder from a backup."`
	Audit      auditCommands      `cmd:"" help:"Show who did what, and prove that nothing recorded was changed."`
	Subject    subjectCommands    `cmd:"" help:"Erase who a person was, or look for plain text that names them."`
	Explain    explainCommand     `cmd:"" help:"Show everything behind one row of a read model."`
	Trace      traceCommand       `cmd:"" help:"Show everything that is known of one operation, by its correlation id."`
	Logs       logsCommand        `cmd:"" help:"Find lines in the server's log files, oldest first."`
	Slow       slowCommand        `cmd:"" help:"Show the slowest operations, and what they spent their time on."`
	Top        topCommand         `cmd:"" help:"Show what a running server does, again and again."`
	Health     healthCommands     `cmd:"" help:"Ask a running server how it is."`
	Payments   paymentsCommands   `cmd:"" help:"Simulate a provider of card payments, and look at its book."`
	Demo       demoCommand        `cmd:"" help:"Break a read model and repair it, in a temporary folder."`
	Drill      drillCommands      `cmd:"" help:"Rehearse incidents: break something on purpose, repair it by the runbook."`
	Settings   configCommands     `cmd:"" name:"config" help:"Look at the configuration."`
	Completion completionCommand  `cmd:"" help:"Print what completes commands in a shell."`
	Man        manCommand         `cmd:"" help:"Print the manual page."`
	Version    versionCommand     `cmd:"" help:"Print the version of this program."`
}

// description is printed above the commands.
const description = `The canteen's orders as events: serve them, move them, repair what is made of them.

Three commands fold events into rows. "reproject" folds the events of a file, and prints or writes the rows. "projection rebuild" folds an installation's log into a new version of a read model beside the live one, and switches readers to it. "events replay" folds the log up to a moment, and changes nothing.`

// usageError is a usage error that kong cannot detect.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// unknownError means that a command could not determine the answer.
type unknownError struct{ cause error }

func (e *unknownError) Error() string { return "could not tell: " + e.cause.Error() }
func (e *unknownError) Unwrap() error { return e.cause }

// couldNotTell marks the failure of a command that judges. It does not change usage errors.
func couldNotTell(err error) error {
	var usage *usageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	return &unknownError{err}
}

// exited is the value of a panic where kong would exit the process, as after --help.
type exited int

// run runs the whole program and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			left, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(left)
		}
	}()
	stdout, stderr = showing(stdout), showing(stderr)
	var line commandLine
	parser, err := kong.New(&line, kong.Name("gakushoku"),
		kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exited(code)) }),
		durations,
		kong.Vars{"questions": questionNames(), "slow": observe.Slow.String()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}))
	if err != nil {
		return fail(stderr, err)
	}
	completeWords(parser)
	parsed, err := parser.Parse(joinNegative(fromHabit(args)))
	if err != nil {
		return failUsage(stderr, inWords(err, args), helpCommand(err))
	}
	p, err := newProgram(ctx, &line, parsed, stdin, stdout, stderr)
	if err == nil {
		err = checkGiven(parsed)
	}
	if err == nil {
		err = parsed.Run(p)
	}
	if p.stdout.err != nil && !errors.Is(err, p.stdout.err) {
		err = p.stdout.err
	}
	return p.ended(err, parsed.Command())
}

// ended prints the error of a command and returns the exit code.
func (p *program) ended(err error, command string) int {
	var usage *usageError
	var unknown *unknownError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitDone
	case errors.As(err, &unknown), isUnusable(err):
		fail(p.stderr, err)
		return exitUnknown
	case errors.As(err, &usage):
		words := strings.FieldsFunc(command, func(r rune) bool { return r == ' ' })
		return failUsage(p.stderr, err, "gakushoku "+strings.Join(words[:wordsBeforeArguments(words)], " ")+" --help")
	case errors.Is(err, rebuild.ErrNotYet):
		fail(p.stderr, err)
		return exitNotYet
	case p.ctx.Err() != nil && errors.Is(err, context.Canceled):
		return fail(p.stderr, errors.New("interrupted"))
	}
	return fail(p.stderr, err)
}

// isUnusable reports whether an error means that a data folder cannot be used in its present state.
func isUnusable(err error) bool {
	return errors.Is(err, embedded.ErrNoFolder) || errors.Is(err, embedded.ErrEventsLost) || errors.Is(err, embedded.ErrOtherUser) || errors.Is(err, embedded.ErrNotOpened) ||
		errors.Is(err, eventstore.ErrOtherStore)
}

func wordsBeforeArguments(words []string) int {
	for i, w := range words {
		if strings.HasPrefix(w, "<") {
			return i
		}
	}
	return len(words)
}

// helpCommand returns the help command for the command whose arguments are wrong.
func helpCommand(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			return "gakushoku " + node.Path() + " --help"
		}
	}
	return "gakushoku --help"
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "gakushoku: %s%s\n", oneLine(err), advice(err))
	return exitFailed
}

// advice returns what to do about an error of the operating system.
func advice(err error) string {
	var network *net.OpError
	switch {
	case errors.As(err, &network):
		return "" // the error already contains advice
	case errors.Is(err, syscall.ENOSPC):
		return ": the disk is full, make room on it"
	case errors.Is(err, syscall.EROFS):
		return ": nothing can be written there, choose another place"
	case errors.Is(err, fs.ErrPermission):
		return ": run it as a user who may, or choose another place"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return ": check the path"
	}
	return ""
}

func failUsage(stderr io.Writer, err error, help string) int {
	fmt.Fprintf(stderr, "gakushoku: %s\nTry: %s\n", oneLine(err), help)
	return exitUsage
}

// oneLine puts an error, which may be joined from several, on one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// newProgram returns what every command uses. It returns a program even with an error.
func newProgram(ctx context.Context, line *commandLine, parsed *kong.Context, stdin io.Reader, stdout, stderr io.Writer) (*program, error) {
	p := &program{ctx: ctx, stdin: stdin, stdout: &printed{Writer: stdout}, stderr: stderr, data: line.Data, config: line.file, dataGiven: given(parsed, "data")}
	level, err := observe.ParseLevel(line.LogLevel)
	if err != nil {
		return p, usagef("--log-level: %v", err)
	}
	p.level = level
	if p.data == "" {
		return p, usagef("--data is empty: name a folder, or unset GAKUSHOKU_DATA")
	}
	if isTerminal(stderr) && level == zerolog.InfoLevel {
		// On a terminal the commands themselves show their progress.
		level = zerolog.WarnLevel
	}
	logger := observe.NewLogger(p.logWriter(), level, "cli")
	p.ctx = observe.WithCorrelationID(observe.WithLogger(ctx, logger), observe.NewID())
	return p, nil
}
