// Package menufile reads a menu from a file, CSV or JSON, and puts it on the menu by commands, so that the
// rules and the record are the same as for a change over HTTP.
package menufile

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/engine/command"
)

// Menu is what a file holds.
type Menu struct {
	Categories []menu.SetCategory `json:"categories"`
	Products   []menu.SetProduct  `json:"products"`
}

// MaxBytes bounds a file.
const MaxBytes = 8 << 20

// Read reads a menu: JSON if the first character is a brace, otherwise CSV. Everything in it is checked by the
// rules, so that a file with a mistake changes nothing.
func Read(r io.Reader) (Menu, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return Menu{}, err
	case len(data) > MaxBytes:
		return Menu{}, fmt.Errorf("the file is larger than %d MiB", MaxBytes>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Excel's mark of UTF-8
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return readJSON(data)
	}
	return readCSV(data)
}

func readJSON(data []byte) (m Menu, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Menu{}, fmt.Errorf("%w: the file must be an object with categories and products, as GET /menu names their members", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Menu{}, errors.New("there is something behind the menu's object")
	}
	for i, c := range m.Categories {
		err = errors.Join(err, at(fmt.Sprintf("category %d", i+1), checkCategory(c)))
	}
	for i, p := range m.Products {
		err = errors.Join(err, at(fmt.Sprintf("product %d", i+1), checkProduct(p)))
	}
	return m, errors.Join(err, m.checkTwice())
}

// The columns of a CSV file, in any sequence. Allergens are separated by spaces. A category's names are needed
// on the first line that names it.
const (
	columnProduct    = "productId"
	columnJa         = "nameJa"
	columnEn         = "nameEn"
	columnCategory   = "categoryId"
	columnCategoryJa = "categoryJa"
	columnCategoryEn = "categoryEn"
	columnPrice      = "price"
	columnAllergens  = "allergens"
	columnOffered    = "offered"
)

var (
	columns  = []string{columnProduct, columnJa, columnEn, columnCategory, columnCategoryJa, columnCategoryEn, columnPrice, columnAllergens, columnOffered}
	required = []string{columnProduct, columnJa, columnPrice}
)

// positions is the distance between the positions of two categories of a CSV file, in the order of the file.
const positions = 10

func readCSV(data []byte) (m Menu, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return m, fmt.Errorf("it is empty: the first line must name the columns, %s", strings.Join(columns, ", "))
	}
	if err != nil {
		return m, fmt.Errorf("reading the names of the columns: %w", err)
	}
	if err := checkColumns(head); err != nil {
		return m, err
	}
	var wrong error
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Menu{}, errors.Join(wrong, err) // it names the line
		}
		line, _ := r.FieldPos(0)
		wrong = errors.Join(wrong, at(fmt.Sprintf("line %d", line), m.add(row{head, record})))
	}
	return m, errors.Join(wrong, m.checkTwice())
}

func checkColumns(head []string) error {
	for i, name := range head {
		head[i] = strings.TrimSpace(name)
		if !slices.Contains(columns, head[i]) || slices.Contains(head[:i], head[i]) {
			return fmt.Errorf("column %q is unknown or there twice: the columns are %s", name, strings.Join(columns, ", "))
		}
	}
	for _, name := range required {
		if !slices.Contains(head, name) {
			return fmt.Errorf("column %s is missing: the first line must name the columns, %s", name, strings.Join(columns, ", "))
		}
	}
	return nil
}

// row is one line of a CSV file.
type row struct{ head, record []string }

// of returns the value in a column, "" if there is no such column.
func (r row) of(column string) string {
	if i := slices.Index(r.head, column); i >= 0 {
		return strings.TrimSpace(r.record[i])
	}
	return ""
}

// add adds the product of a row, and its category if it is the first of it.
func (m *Menu) add(r row) error {
	price, err := strconv.ParseInt(r.of(columnPrice), 10, 64)
	if err != nil {
		return fmt.Errorf("price %q is not a whole number of yen", r.of(columnPrice))
	}
	offered := true
	if text := r.of(columnOffered); text != "" {
		if offered, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
			return fmt.Errorf("offered %q is neither true nor false", text)
		}
	}
	p := menu.SetProduct{ProductID: r.of(columnProduct), Details: menu.Details{
		NameJa: r.of(columnJa), NameEn: r.of(columnEn), CategoryID: r.of(columnCategory),
		Price: price, Allergens: strings.Fields(r.of(columnAllergens)), Offered: offered,
	}}
	m.Products = append(m.Products, p)
	if err := checkProduct(p); err != nil || p.CategoryID == "" || m.hasCategory(p.CategoryID) {
		return err
	}
	c := menu.SetCategory{
		CategoryID: p.CategoryID, NameJa: r.of(columnCategoryJa), NameEn: r.of(columnCategoryEn), Position: int64(positions * (len(m.Categories) + 1)),
	}
	m.Categories = append(m.Categories, c)
	return checkCategory(c)
}

func (m *Menu) hasCategory(id string) bool {
	return slices.ContainsFunc(m.Categories, func(c menu.SetCategory) bool { return c.CategoryID == id })
}

// checkTwice refuses a menu that says two things about one product or category.
func (m *Menu) checkTwice() (err error) {
	seen := map[string]bool{}
	for _, p := range m.Products {
		if seen[p.ProductID] {
			err = errors.Join(err, fmt.Errorf("product %s is there twice", p.ProductID))
		}
		seen[p.ProductID] = true
	}
	clear(seen)
	for _, c := range m.Categories {
		if seen[c.CategoryID] {
			err = errors.Join(err, fmt.Errorf("category %s is there twice", c.CategoryID))
		}
		seen[c.CategoryID] = true
	}
	return err
}

func checkProduct(p menu.SetProduct) error {
	_, err := menu.ProductRules.Decide(menu.Product{}, p)
	return err
}

func checkCategory(c menu.SetCategory) error {
	_, err := menu.CategoryRules.Decide(menu.Category{}, c)
	return err
}

func at(place string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", place, err)
}

// Report counts what an import did.
type Report struct {
	Categories int `json:"categories"` // in the file
	Products   int `json:"products"`   // in the file
	Changed    int `json:"changed"`    // of both; the others were like this before
}

// Import puts a menu on the menu. Products that the file does not name stay as they are. It is safe to repeat.
func Import(ctx context.Context, h *command.Handler, m Menu) (Report, error) {
	report := Report{Categories: len(m.Categories), Products: len(m.Products)}
	for _, c := range m.Categories {
		r, err := command.Execute(ctx, h, menu.CategoryRules, command.Request[menu.CategoryCommand]{ID: c.CategoryID, Command: c})
		if err != nil {
			return report, fmt.Errorf("category %s: %w", c.CategoryID, err)
		}
		report.Changed += min(len(r.Events), 1)
	}
	for _, p := range m.Products {
		r, err := command.Execute(ctx, h, menu.ProductRules, command.Request[menu.ProductCommand]{ID: p.ProductID, Command: p})
		if err != nil {
			return report, fmt.Errorf("product %s: %w", p.ProductID, err)
		}
		report.Changed += min(len(r.Events), 1)
	}
	return report, nil
}
