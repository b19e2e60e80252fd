package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// defaultConfigFile is read from the working directory if it is there.
const defaultConfigFile = "gakushoku.yaml"

// configFile gives options their values, unless they are on the command line or in the environment. Its keys
// are the words of the command and the name of the option: "data: DIR" for all commands, and below "serve:"
// "addr: :8080" for one.
type configFile struct {
	path   string
	values map[string]any
}

// BeforeResolve is a hook of kong: it reads the configuration file before options get their values.
func (line *commandLine) BeforeResolve(ctx *kong.Context) (err error) {
	path, _ := ctx.FlagValue(flagOf(ctx.Model.Node, "config")).(string)
	if line.file, err = readConfigFile(path); line.file != nil {
		ctx.AddResolver(line.file)
	}
	return err
}

// readConfigFile reads a configuration file; none if path is "" and the default one is not there.
func readConfigFile(path string) (*configFile, error) {
	named := path != ""
	if !named {
		path = defaultConfigFile
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("reading the configuration file: %v", err)
	}
	c := &configFile{path: path}
	if err := yaml.Unmarshal(data, &c.values); err != nil {
		return nil, usagef("the configuration file %s is not YAML with options by name: %v", path, err)
	}
	return c, nil
}

// Resolve implements kong.Resolver. The environment goes before the file.
func (c *configFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if _, set := inEnvironment(flag); set {
		return nil, nil
	}
	value, _ := c.valueOf(parent.Node(), flag)
	return value, nil
}

// inEnvironment returns the environment variable that sets an option.
func inEnvironment(flag *kong.Flag) (name string, set bool) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return name, true
		}
	}
	return "", false
}

// Validate implements kong.Resolver. It refuses keys that are no option: a typing error would change nothing.
func (c *configFile) Validate(app *kong.Application) error {
	return c.check(app.Node, c.values, "")
}

func (c *configFile) check(node *kong.Node, values map[string]any, at string) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		below, isMap := values[key].(map[string]any)
		child := childOf(node, key)
		switch {
		case child != nil && isMap:
			if err := c.check(child, below, at+key+": "); err != nil {
				return err
			}
		case !isMap && key != "config" && flagOf(node, key) != nil:
		default:
			return usagef("%s: %s%s is no option of gakushoku%s", c.path, at, key, commandPath(node))
		}
	}
	return nil
}

func commandPath(node *kong.Node) string {
	if node.Type == kong.ApplicationNode {
		return ""
	}
	return " " + node.Path()
}

func childOf(node *kong.Node, name string) *kong.Node {
	at := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == name })
	if at < 0 {
		return nil
	}
	return node.Children[at]
}

func flagOf(node *kong.Node, name string) *kong.Flag {
	at := slices.IndexFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == name && name != "help" })
	if at < 0 {
		return nil
	}
	return node.Flags[at]
}

// valueOf returns what the file says of an option of a command.
func (c *configFile) valueOf(node *kong.Node, flag *kong.Flag) (any, bool) {
	if c == nil {
		return nil, false
	}
	values := c.values
	for _, word := range commandWords(node) {
		values, _ = values[word].(map[string]any)
	}
	value, ok := values[flag.Name]
	return value, ok
}

// commandWords returns the words that name a command.
func commandWords(node *kong.Node) []string {
	var words []string
	for ; node != nil && node.Type != kong.ApplicationNode; node = node.Parent {
		words = append([]string{node.Name}, words...)
	}
	return words
}

type configCommands struct {
	Show configShowCommand `cmd:"" help:"Show the options that are set, and where each value comes from."`
}

type configShowCommand struct {
	All  bool `help:"Show options that have their default as well."`
	JSON bool `help:"Print JSON." name:"json"`
}

func (configShowCommand) Help() string {
	return `Options come from the command line, else from the environment, else from the file gakushoku.yaml in the working directory or the one that --config names. The keys of the file are options of all commands, and below the words of a command its own:

    data: /srv/canteen
    serve:
      addr: 0.0.0.0:8080

Values whose name says that they are secret are not shown.`
}

// setting is an option with its value.
type setting struct {
	Command string `json:"command,omitempty"` // "" for options of all commands
	Option  string `json:"option"`
	Value   string `json:"value"`
	From    string `json:"from"` // a file, a variable of the environment, or "default"
}

func (c *configShowCommand) Run(parsed *kong.Context, p *program) error {
	settings := []setting{}
	for _, s := range settingsOf(parsed.Model.Node, p.config) {
		if c.All || s.From != "default" {
			settings = append(settings, s)
		}
	}
	return p.present(c.JSON, settings, func() {
		t := newTable(p.stdout, "OPTION\tVALUE\tFROM")
		for _, s := range settings {
			t.line("%s\t%s\t%s", strings.TrimSpace(s.Command+" --"+s.Option), s.Value, s.From)
		}
		t.Flush() //nolint:errcheck // printed keeps the error
	})
}

// settingsOf returns the options of a command and of those below it.
func settingsOf(node *kong.Node, file *configFile) []setting {
	var settings []setting
	for _, flag := range node.Flags {
		if flag.Hidden || flag.Name == "help" {
			continue
		}
		s := setting{Command: strings.Join(commandWords(node), " "), Option: flag.Name, Value: flag.Default, From: "default"}
		if name, set := inEnvironment(flag); set {
			s.Value, s.From = os.Getenv(name), "$"+name
		} else if value, set := file.valueOf(node, flag); set {
			s.Value, s.From = fmt.Sprint(value), file.path
		}
		if isSecret(flag.Name) && s.Value != "" {
			s.Value = "(not shown)"
		}
		settings = append(settings, s)
	}
	for _, child := range node.Children {
		settings = append(settings, settingsOf(child, file)...)
	}
	return settings
}

func isSecret(option string) bool {
	return slices.ContainsFunc([]string{"secret", "key", "token", "password"}, func(word string) bool { return strings.Contains(option, word) })
}
