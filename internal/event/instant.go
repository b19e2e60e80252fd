package event

import (
	"fmt"
	"strings"
	"time"
)

// Instant is a moment in UTC, to the millisecond, as events and rows contain it: eight bytes, comparable
// with == and <, and written as RFC 3339 with three decimals. The zero value means "not set" and sorts
// before every moment. It differs from every moment from the year 0000 on, including the first of 1970.
// Use InstantOf and ParseInstant to make others.
type Instant int64

// epoch is the first moment of 1970. The first moment of the year 0000 is 1.
const epoch Instant = 62167219200000 + 1

// instantLayout is RFC 3339 in UTC with milliseconds, as infra/DESIGN.md section 4 fixes it.
const instantLayout = "2006-01-02T15:04:05.000Z"

// InstantOf returns t, truncated to the millisecond.
func InstantOf(t time.Time) Instant { return InstantOfMilli(t.UnixMilli()) }

// InstantOfMilli returns the instant ms milliseconds after the first moment of 1970.
func InstantOfMilli(ms int64) Instant { return epoch + Instant(ms) }

// Milli returns the milliseconds since the first moment of 1970; 0 if the instant is not set.
func (i Instant) Milli() int64 {
	if i == 0 {
		return 0
	}
	return int64(i - epoch)
}

// Time returns the instant as a time.Time in UTC, or the first moment of 1970 if it is not set.
func (i Instant) Time() time.Time { return time.UnixMilli(i.Milli()).UTC() }

// String returns the instant in RFC 3339 with milliseconds.
func (i Instant) String() string { return string(i.Append(make([]byte, 0, len(instantLayout)))) }

// IsZero reports whether the instant is not set.
func (i Instant) IsZero() bool { return i == 0 }

// MarshalText returns RFC 3339 with milliseconds.
func (i Instant) MarshalText() ([]byte, error) {
	return i.Append(make([]byte, 0, len(instantLayout))), nil
}

// UnmarshalText parses any RFC 3339 time and truncates it to the millisecond.
func (i *Instant) UnmarshalText(text []byte) error {
	parsed, err := ParseInstant(string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// AppendText appends RFC 3339 with milliseconds.
func (i Instant) AppendText(b []byte) ([]byte, error) {
	return i.Append(b), nil
}

// lastFast is the last millisecond of the year 9999, counted from 1970.
const lastFast = 253402300799999

// Append appends RFC 3339 with milliseconds. From 1970 on it avoids the cost of time.AppendFormat: a row
// may have half a dozen instants.
func (i Instant) Append(dst []byte) []byte {
	since := i.Milli()
	if since < 0 || since > lastFast {
		return i.Time().AppendFormat(dst, instantLayout)
	}
	days, ms := int(since/86_400_000), int(since%86_400_000)
	year, month, day := dateOf(days)
	seconds := ms / 1000
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), month)
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), seconds/3600)
	dst = appendTwo(append(dst, ':'), seconds/60%60)
	dst = appendTwo(append(dst, ':'), seconds%60)
	milli := ms % 1000
	return append(appendTwo(append(dst, '.'), milli/10), byte('0'+milli%10), 'Z')
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// ParseInstant parses an RFC 3339 time in any zone and truncates it to the millisecond. T and Z must be
// upper case. Second 60 is refused, since an Instant cannot represent it. In UTC the time must be in the
// years 0000 to 9999, since others cannot be written.
func ParseInstant(s string) (Instant, error) {
	if i, ok := parseCanonical(s); ok {
		return i, nil
	}
	if !wellFormed(s) {
		return 0, fmt.Errorf("%.60q is not an RFC 3339 time such as 2026-01-24T00:00:00.000Z", s)
	}
	return parseStored(s)
}

// wellFormed refuses what package time accepts although RFC 3339 does not (golang.org/issue/54580): 7:05
// for 07:05, a comma for the point, offsets of a day and more.
func wellFormed(s string) bool {
	const whole = len("2006-01-02T15:04:05")
	if len(s) <= whole || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return false
	}
	rest := s[whole:]
	if rest[0] == '.' {
		rest = strings.TrimLeft(rest[1:], "0123456789")
	}
	if rest == "Z" {
		return true
	}
	return len(rest) == len("+09:00") && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' && twoDigits(rest, 1) < 24 && twoDigits(rest, 4) < 60
}

// parseStored also parses times that older versions took for RFC 3339, since stored payloads may contain
// them.
func parseStored(s string) (Instant, error) {
	if i, ok := parseCanonical(s); ok {
		return i, nil
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return 0, fmt.Errorf("%.60q is not an RFC 3339 time such as 2026-01-24T00:00:00.000Z", s)
	}
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return 0, fmt.Errorf("%.60q is outside the years 0000 to 9999 in UTC", s)
	}
	return InstantOf(t), nil
}

// parseCanonical parses exactly instantLayout, the form this system writes. It avoids the cost of
// time.Parse: a replay parses one or two times per event.
func parseCanonical(s string) (Instant, bool) {
	if len(s) != len(instantLayout) || s[4] != '-' || s[7] != '-' || s[10] != 'T' ||
		s[13] != ':' || s[16] != ':' || s[19] != '.' || s[23] != 'Z' {
		return 0, false
	}
	century, ofCentury, month, day := twoDigits(s, 0), twoDigits(s, 2), twoDigits(s, 5), twoDigits(s, 8)
	hour, minute, second := twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17)
	centi, milli := twoDigits(s, 20), int(s[22]-'0')
	year := century*100 + ofCentury
	if century > 99 || ofCentury > 99 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 || centi > 99 || milli > 9 {
		return 0, false
	}
	seconds := int64(daysSinceEpoch(year, month, day))*86400 + int64(hour*3600+minute*60+second)
	return InstantOfMilli(seconds*1000 + int64(centi*10+milli)), true
}

// notDigits is what twoDigits returns for anything else; it exceeds every bound.
const notDigits = 1000

// twoDigits parses s[at:at+2].
func twoDigits(s string, at int) int {
	tens, ones := s[at]-'0', s[at+1]-'0'
	if tens > 9 || ones > 9 {
		return notDigits
	}
	return int(tens)*10 + int(ones)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSinceEpoch counts days in the proleptic Gregorian calendar from 1970-01-01, after
// Howard Hinnant's "chrono-compatible low-level date algorithms" (days_from_civil).
func daysSinceEpoch(year, month, day int) int {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	shifted := month - 3
	if month <= 2 {
		shifted = month + 9
	}
	dayOfYear := (153*shifted+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468
}

// dateOf is the inverse, for days from 1970 on (civil_from_days by the same author).
func dateOf(days int) (year, month, day int) {
	days += 719468
	era := days / 146097
	dayOfEra := days % 146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*shifted+2)/5 + 1
	year, month = yearOfEra+era*400, shifted+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// maxInstant is the last instant that may be imported. No zone is more than 14 hours ahead of UTC, so the
// year of its day has four digits everywhere.
const maxInstant = epoch + lastFast - 14*3_600_000

// CheckInstant refuses an instant whose day cannot be written in every time zone. Errors call it name.
func CheckInstant(name string, at Instant) error {
	if at > maxInstant {
		return fmt.Errorf("%s %s is after %s", name, at, maxInstant)
	}
	return nil
}
