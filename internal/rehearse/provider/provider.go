// Package provider simulates a provider of card payments: a server of its own with a durable book, whose
// faults are set over HTTP. infra/payment-provider.md describes its interface.
package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/edge/httpserver"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// maxBody bounds the body of a request.
const maxBody = 4 << 10

// Options configure the simulator.
type Options struct {
	Book   ledger.Book
	Secret string // callers must send it as a bearer token; "" lets everyone in
	Logger zerolog.Logger
}

// server is the simulator's HTTP interface.
type server struct {
	Options
	faults faults
	ledger *ledger.Ledger
}

// New returns the HTTP interface of the simulator.
func New(o Options) http.Handler {
	s := &server{Options: o, faults: faults{now: time.Now}}
	s.ledger = &ledger.Ledger{Book: o.Book, Declines: func(string, int64) string {
		f, _ := s.faults.take(FaultDecline)
		return f.Reason
	}}
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /payments/{key}/authorise":        s.call(s.authorise),
		"POST /payments/{key}/capture":          s.call(s.capture),
		"POST /payments/{key}/void":             s.call(s.void),
		"POST /payments/{key}/refunds/{refund}": s.call(s.refund),
		"GET /payments/{key}":                   s.call(s.lookup),
		"GET /ledger":                           s.listReceipts,
		"GET /ledger/sums":                      s.sums,
		"GET /faults":                           s.listFaults,
		"PUT /faults/{kind}":                    s.putFault,
		"DELETE /faults":                        s.clearFaults,
	} {
		mux.HandleFunc(pattern, s.handler(h))
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return mux
}

// Serve serves the simulator on a listener until ctx ends.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	s := httpserver.New(l, httpserver.Options{Handler: New(o), Logger: o.Logger, Refuse: func(status int, reason string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status, reason)
	}})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(s.Stop(stop), <-ended)
}

// handler checks the secret, and returns the errors of h as problems.
func (s *server) handler(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	want := sha256.Sum256([]byte("Bearer " + s.Secret))
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx := observe.WithLogger(r.Context(), s.Logger)
		if id := r.Header.Get(observe.HeaderCorrelationID); observe.ValidCorrelationID(id) {
			ctx = observe.WithCorrelationID(ctx, id)
		}
		ctx, span := observe.StartRemote(ctx, r.Header, r.Pattern, observe.Server)
		defer span.End()
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if s.Secret != "" && subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			write(w, http.StatusUnauthorized, problem{Code: "provider/wrong-secret", Detail: "send the provider's secret as a bearer token"})
			return
		}
		err := h(w, r.WithContext(ctx))
		if err != nil {
			tell(w, err)
		}
		line := observe.Logger(ctx).Info().Str("operation", r.Pattern).Str("paymentId", r.PathValue("key")).AnErr("error", err)
		line.Float64(observe.FieldDurationMs, float64(time.Since(began).Microseconds())/1000).Msg("provider:call")
	}
}

// problem is the body of a refusal.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Reason string `json:"reason,omitempty"`
}

// errBadRequest means that a request cannot be understood.
var errBadRequest = errors.New("bad request")

// tell responds with an error.
func tell(w http.ResponseWriter, err error) {
	var refused *payment.Error
	switch {
	case errors.As(err, &refused):
		write(w, statusOf(refused.Code), problem{Code: refused.Code, Detail: refused.Detail, Reason: refused.Reason})
	case errors.Is(err, errBadRequest):
		write(w, http.StatusBadRequest, problem{Code: payment.CodeInvalid, Detail: err.Error()})
	case errors.Is(err, payment.ErrUnavailable):
		w.Header().Set("Retry-After", "1")
		write(w, http.StatusServiceUnavailable, problem{Code: "provider/unavailable", Detail: "try again"})
	case fault.ClassOf(err) == fault.Infra:
		write(w, http.StatusGatewayTimeout, problem{Code: "provider/unknown", Detail: "look the payment up"})
	default:
		write(w, http.StatusInternalServerError, problem{Code: "provider/error", Detail: "see the provider's log"})
	}
}

func statusOf(code string) int {
	switch code {
	case payment.CodeDeclined:
		return http.StatusPaymentRequired
	case payment.CodeInvalid, payment.CodeKeyReused:
		return http.StatusUnprocessableEntity
	}
	return http.StatusConflict
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client may have gone
}

// call is a handler of calls about payments, with the faults that are set. Once a call has arrived it is
// carried out, even if the caller does not wait for it.
func (s *server) call(do func(context.Context, *http.Request) (payment.Receipt, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, down := s.faults.take(FaultDown); down {
			return payment.Unavailable(errors.New("a fault was asked for"), 0)
		}
		ctx := context.WithoutCancel(r.Context())
		if f, slow := s.faults.take(FaultSlow); slow {
			if err := wait.For(ctx, time.Duration(f.DelayMs)*time.Millisecond); err != nil {
				return err
			}
		}
		receipt, err := do(ctx, r)
		if r.Method == http.MethodPost {
			if _, lost := s.faults.take(FaultLost); lost {
				panic(http.ErrAbortHandler)
			}
		}
		if err != nil {
			return err
		}
		write(w, http.StatusOK, receipt)
		return nil
	}
}

func (s *server) authorise(ctx context.Context, r *http.Request) (payment.Receipt, error) {
	yen, err := amountIn(r)
	if err != nil {
		return payment.Receipt{}, err
	}
	return s.ledger.Authorise(ctx, r.PathValue("key"), yen)
}

func (s *server) capture(ctx context.Context, r *http.Request) (payment.Receipt, error) {
	yen, err := amountIn(r)
	if err != nil {
		return payment.Receipt{}, err
	}
	return s.ledger.Capture(ctx, r.PathValue("key"), yen)
}

func (s *server) refund(ctx context.Context, r *http.Request) (payment.Receipt, error) {
	yen, err := amountIn(r)
	if err != nil {
		return payment.Receipt{}, err
	}
	return s.ledger.Refund(ctx, r.PathValue("key"), r.PathValue("refund"), yen)
}

func (s *server) void(ctx context.Context, r *http.Request) (payment.Receipt, error) {
	return s.ledger.Void(ctx, r.PathValue("key"))
}

func (s *server) lookup(ctx context.Context, r *http.Request) (payment.Receipt, error) {
	return s.ledger.Lookup(ctx, r.PathValue("key"))
}

// amountIn returns the amount in a request's body.
func amountIn(r *http.Request) (int64, error) {
	var body struct {
		Yen *int64 `json:"yen"`
	}
	if err := decodeBody(r, &body); err != nil {
		return 0, err
	}
	if body.Yen == nil {
		return 0, fmt.Errorf("%w: the body must be {\"yen\": AMOUNT}", errBadRequest)
	}
	return *body.Yen, nil
}

// decodeBody decodes a body without unknown fields into v.
func decodeBody(r *http.Request, v any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: the body is not as expected: %w", errBadRequest, err)
	}
	return nil
}

// listReceipts sends every receipt, one JSON object a line.
func (s *server) listReceipts(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(w)
	if err := s.Book.Each(r.Context(), func(receipt payment.Receipt) error { return lines.Encode(receipt) }); err != nil {
		panic(http.ErrAbortHandler) // a list that is cut off must not look whole
	}
	return nil
}

func (s *server) sums(w http.ResponseWriter, r *http.Request) error {
	sums, err := ledger.SumsOf(r.Context(), s.Book)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, sums)
	return nil
}

func (s *server) listFaults(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, s.faults.list())
	return nil
}

func (s *server) putFault(w http.ResponseWriter, r *http.Request) error {
	var f Fault
	if err := decodeBody(r, &f); err != nil {
		return err
	}
	if err := s.faults.put(r.PathValue("kind"), f); err != nil {
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return s.listFaults(w, r)
}

func (s *server) clearFaults(w http.ResponseWriter, r *http.Request) error {
	s.faults.clear()
	return s.listFaults(w, r)
}
