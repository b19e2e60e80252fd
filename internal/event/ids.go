package event

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CheckStreamID refuses an id in a stream's name unless it has 1 to MaxStreamIDBytes bytes, every client
// can put it into a URL's path, and people can see it and tell it from every other id (see
// infra/decisions/0015-what-comes-in.md).
func CheckStreamID(id string) error {
	switch {
	case id == "":
		return errors.New("is empty: give 1 to 128 bytes, or leave it out")
	case id == "." || id == "..":
		return fmt.Errorf("%q means a folder in the path of a URL: choose another id", id)
	}
	if err := checkID(id, MaxStreamIDBytes); err != nil {
		return err
	}
	for _, r := range id {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return fmt.Errorf("contains %+q: only printable characters without spaces and slashes are allowed", r)
		}
	}
	return nil
}

// checkID bounds any id of an envelope, and refuses invisible characters, by which two ids could differ
// unnoticed.
func checkID(id string, limit int) error {
	if err := CheckText(id, limit); err != nil || ascii(id) {
		return err
	}
	for _, r := range id {
		if Hidden(r) {
			return fmt.Errorf("contains the invisible character %+q: leave it out", r)
		}
	}
	if !norm.NFC.IsNormalString(id) {
		return errors.New("is not in Unicode's normal form NFC: send composed characters, such as é as U+00E9")
	}
	return nil
}

// CheckText bounds any text, and refuses characters that would break a line in two.
func CheckText(text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(text), limit)
	}
	if ascii(text) {
		return nil
	}
	if !utf8.ValidString(text) {
		return errors.New("is not valid UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Errorf("contains the control character %+q: leave it out", r)
		}
	}
	return nil
}

// ascii reports whether a text consists of ASCII's visible characters and spaces, as most do.
func ascii(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Hidden reports whether a character is invisible, or changes how the text around it is displayed:
// controls, format characters such as the bidirectional ones, joiners, fillers, variation selectors, line
// separators.
func Hidden(r rune) bool {
	if r < unicode.MaxLatin1 {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xad
	}
	const blankBraille = '\u2800'
	return r == blankBraille || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
