package model

import "gakushoku/internal/event"

// View is how readers ask for the rows of a projection.
type View struct {
	Projection string     // its name
	Kind       event.Kind // of the streams that the rows are folded from

	CheckBucket func(string) error // refuses what is no bucket, such as a day that is in no calendar
	Values      []string           // that a list may be filtered by
	Matches     func(row []byte, value string) (bool, error)

	NotFound   error  // the refusal for a stream that is not there
	NotReached string // the code of the refusal for a row that is older than asked for
	Queries    QueryNames
}

// QueryNames are what log lines call the queries.
type QueryNames struct{ Get, List, Total, History string }
