package main

import (
	"os"

	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/muesli/roff"
	predict "github.com/posener/complete"

	"gakushoku/internal/canteen"
	"gakushoku/internal/rehearse/drill"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

func (c *completionCommand) Help() string {
	return `Put the line of your shell into its start-up file:

  bash, ~/.bashrc:  source <(gakushoku completion bash)

  zsh, ~/.zshrc:  source <(gakushoku completion zsh)

  fish, ~/.config/fish/config.fish:  gakushoku completion fish | source`
}

func (c *completionCommand) Run(parsed *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(parsed)
}

// completeWords prints completions and exits if a shell has asked for them, by the environment variable
// COMP_LINE.
func completeWords(parser *kong.Kong) {
	if os.Getenv("COMP_LINE") == "" {
		return
	}
	drills := []string{"all"}
	for _, d := range drill.All() {
		drills = append(drills, d.Name)
	}
	kongcompletion.Register(parser, kongcompletion.WithPredictors(map[string]predict.Predictor{
		"folder": predict.PredictDirs("*"), "file": predict.PredictFiles("*"),
		"projection": predict.PredictSet(canteen.Projections().Names()...), "drill": predict.PredictSet(drills...),
		"list": predict.PredictSet("products", "categories"),
	}))
}

type manCommand struct{}

func (manCommand) Help() string {
	return `To install the page for all users: gakushoku man | sudo tee /usr/local/share/man/man1/gakushoku.1 >/dev/null`
}

func (manCommand) Run(parsed *kong.Context, p *program) error {
	return p.printf("%s", mangokong.NewManPage(1, parsed.Model).Build(roff.NewDocument()))
}
