package command

// The codes of this package's refusals. They are part of the HTTP interface: never change one.
const (
	CodeKeyReused  = "command/idempotency-key-reused"
	CodeUnfoldable = "command/stream-unfoldable"
)

// unfoldable means that the events of a stream do not follow from one another, so that no rule can decide on
// it. Its text is for the client; the cause is for the log.
type unfoldable struct{ cause error }

func (unfoldable) Error() string {
	return "the recorded events contradict one another: ask an operator to look at them"
}

// DomainCode makes it a refusal: the command will not succeed, however often it is sent.
func (unfoldable) DomainCode() string { return CodeUnfoldable }
func (e unfoldable) Unwrap() error    { return e.cause }

// ErrKeyReused means that an Idempotency-Key came with another command than the first time.
var ErrKeyReused error = keyReused{}

type keyReused struct{}

func (keyReused) Error() string {
	return "this Idempotency-Key was used for another command: use a new key for a new command"
}

// DomainCode makes the reuse of a key a refusal, like those of the rules.
func (keyReused) DomainCode() string { return CodeKeyReused }
