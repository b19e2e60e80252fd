package stock

// The codes of the refusals are part of the HTTP interface: never change one.
const (
	CodeNotFound    = "stock/not-found"
	CodeInvalid     = "stock/invalid"
	CodeSoldOut     = "stock/sold-out"
	CodeTaken       = "stock/portions-taken" // more portions are reserved and sold than are to be set
	CodeReleased    = "stock/released"       // the order was released: it can reserve nothing any more
	CodeNotReserved = "stock/not-reserved"
	CodeNotReached  = "stock/version-not-reached" // the row is older than the reader requires
)
