package main

import (
	"fmt"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/menufile"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/command"
)

type menuCommands struct {
	Import menuImportCommand `cmd:"" help:"Put the products and categories of a file on the menu."`
}

type menuImportCommand struct {
	File string `arg:"" predictor:"file" help:"CSV or JSON file; - is standard input."`
	JSON bool   `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (menuImportCommand) Help() string {
	return `The first line of a CSV file names its columns: productId, nameJa and price; nameEn, categoryId, categoryJa, categoryEn, allergens (separated by spaces) and offered if you like. Categories come in the order of the file. A JSON file is an object with "categories" and "products".

The whole file is checked before anything is changed. What the file does not name stays as it is, and what is like this already leads to no event, so a file can be imported again. A running server goes on meanwhile.

Examples:

    gakushoku menu import events/menu.csv
    gakushoku menu import menu.json --aws gakushoku`
}

func (c *menuImportCommand) Run(p *program) error {
	in, err := p.input(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	m, err := menufile.Read(in)
	if err != nil {
		return fmt.Errorf("%s: %w, nothing was changed", inputName(c.File), err)
	}
	var report menufile.Report
	err = p.withCommands(c.awsFlag, func(h *command.Handler) (err error) {
		report, err = menufile.Import(p.ctx, h, m)
		return err
	})
	if err != nil {
		return fmt.Errorf("importing %s: %w; import it again to go on", inputName(c.File), err)
	}
	if c.JSON {
		return p.printJSON(report)
	}
	return p.printf("%s: %s in %d categories: %d changed\n", inputName(c.File), plural(int64(report.Products), "product"), report.Categories, report.Changed)
}

// withCommands opens what executes commands, in a data folder, which is made if it is missing, or in a stack.
func (p *program) withCommands(on awsFlag, f func(*command.Handler) error) error {
	if on.AWS != "" {
		return p.withInstallation(on, func(i *operator.Installation) error { return f(i.Handler) })
	}
	return p.withFolder(true, func(folder *embedded.Folder) error {
		if err := folder.CheckChanges(p.ctx); err != nil {
			return err
		}
		return f(folder.Handler)
	})
}
