package model

import "gakushoku/internal/event"

// View describes how readers query the rows of a projection.
type View struct {
	Projection string     // name of the projection
	Kind       event.Kind // of the streams that are folded into the rows

	CheckBucket func(string) error // refuses a string that is not a bucket, such as a date that does not exist; may be nil
	Values      []string           // the values that a list can be filtered by; may be empty
	Matches     func(row []byte, value string) (bool, error)

	Kept bool // whole lists are short and read often, so that readers may keep them for some seconds

	NotFound   error  // the refusal for a stream that does not exist
	NotReached string // code of the refusal when a row is older than requested
	Queries    QueryNames
}

// QueryNames are the names of the queries in log lines.
type QueryNames struct{ Get, List, Total, History string }
