package xray

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
)

// The limits of a document.
const (
	maxName        = 200
	maxAnnotation  = 1000 // characters of a text
	maxAnnotations = 50
)

// document is a segment or subsegment in X-Ray's format of segment documents.
type document struct {
	Name        string         `json:"name"`
	ID          string         `json:"id"`
	TraceID     string         `json:"trace_id"`
	ParentID    string         `json:"parent_id,omitempty"`
	Type        string         `json:"type,omitempty"`      // subsegment or empty
	Namespace   string         `json:"namespace,omitempty"` // aws or remote: a call of another system
	StartTime   seconds        `json:"start_time"`
	EndTime     seconds        `json:"end_time"`
	Error       bool           `json:"error,omitempty"`    // caused by the caller
	Throttle    bool           `json:"throttle,omitempty"` // too many requests
	Fault       bool           `json:"fault,omitempty"`    // caused by this process or the called service
	Cause       *cause         `json:"cause,omitempty"`
	HTTP        *httpBlock     `json:"http,omitempty"`
	AWS         *awsBlock      `json:"aws,omitempty"`
	Annotations map[string]any `json:"annotations,omitempty"`
	Links       []link         `json:"links,omitempty"`
}

type cause struct {
	Exceptions []exception `json:"exceptions"`
}

type exception struct {
	ID      string `json:"id"`
	Type    string `json:"type,omitempty"`
	Message string `json:"message,omitempty"`
}

type httpBlock struct {
	Request  *httpRequest  `json:"request,omitempty"`
	Response *httpResponse `json:"response,omitempty"`
}

type httpRequest struct {
	Method string `json:"method,omitempty"`
	URL    string `json:"url,omitempty"`
}

type httpResponse struct {
	Status int64 `json:"status"`
}

// awsBlock describes a call of an AWS service with the names of X-Ray's own SDKs.
type awsBlock struct {
	Operation  string   `json:"operation,omitempty"`
	Region     string   `json:"region,omitempty"`
	RequestID  string   `json:"request_id,omitempty"`
	Retries    int64    `json:"retries,omitempty"`
	TableName  string   `json:"table_name,omitempty"`
	TableNames []string `json:"table_names,omitempty"` // when there are several
	BucketName string   `json:"bucket_name,omitempty"`
	Key        string   `json:"key,omitempty"`
}

type link struct {
	TraceID string `json:"trace_id"`
	ID      string `json:"id"`
}

// throttledKey annotates a throttled call.
var throttledKey = keyOf(observe.AttrThrottled)

// seconds is a time as Unix seconds with microseconds.
type seconds time.Time

// MarshalJSON is json.Marshaler. A float64 would lose the last digits.
func (s seconds) MarshalJSON() ([]byte, error) {
	micro := time.Time(s).UnixMicro()
	fraction := strconv.FormatInt(1_000_000+micro%1_000_000, 10)[1:]
	return []byte(strconv.FormatInt(micro/1_000_000, 10) + "." + fraction), nil
}

var _ json.Marshaler = seconds{}

// documentOf converts a span. A segment has the name of the service, which is a node of X-Ray's map; the
// span's name becomes an annotation.
func documentOf(span sdktrace.ReadOnlySpan, subsegment bool) document {
	d := document{
		Name: nameOf(span.Name()), ID: span.SpanContext().SpanID().String(), TraceID: traceID(span.SpanContext().TraceID()),
		StartTime: seconds(span.StartTime()), EndTime: seconds(span.EndTime()), Annotations: map[string]any{},
	}
	if parent := span.Parent(); parent.IsValid() {
		d.ParentID = parent.SpanID().String()
	}
	d.annotate("span_kind", attribute.StringValue(span.SpanKind().String()))
	if subsegment {
		d.Type = "subsegment"
		if span.SpanKind() == trace.SpanKindClient {
			d.Namespace = "remote"
		}
	} else {
		d.annotate("operation", attribute.StringValue(span.Name()))
		if service, ok := span.Resource().Set().Value("service.name"); ok {
			d.Name = nameOf(service.AsString())
		}
	}
	all := span.Attributes()
	if subsegment {
		all = d.call(all)
	}
	d.attributes(all)
	d.outcome(span)
	for _, l := range span.Links() {
		d.Links = append(d.Links, link{traceID(l.SpanContext.TraceID()), l.SpanContext.SpanID().String()})
	}
	return d
}

// call turns the subsegment into one of an AWS service if the span is a call of one. It gets the name of
// the service, and the map shows the service or its table as a node. call returns the other attributes.
func (d *document) call(all []attribute.KeyValue) []attribute.KeyValue {
	if !slices.ContainsFunc(all, func(a attribute.KeyValue) bool { return a.Key == "rpc.system.name" && a.Value.AsString() == "aws-api" }) {
		return all
	}
	d.Namespace, d.AWS = "aws", &awsBlock{}
	var left []attribute.KeyValue
	for _, a := range all {
		switch a.Key {
		case "rpc.system.name", "db.system.name":
		case "rpc.method":
			service, operation, _ := strings.Cut(a.Value.AsString(), "/")
			d.Name, d.AWS.Operation = nameOf(service), operation
		case "cloud.region":
			d.AWS.Region = a.Value.AsString()
		case "aws.request_id":
			d.AWS.RequestID = a.Value.AsString()
		case "http.request.resend_count":
			d.AWS.Retries = a.Value.AsInt64()
		case "aws.dynamodb.table_names":
			d.AWS.TableNames = a.Value.AsStringSlice()
		case "aws.s3.bucket":
			d.AWS.BucketName = a.Value.AsString()
		case "aws.s3.key":
			d.AWS.Key = a.Value.AsString()
		default:
			left = append(left, a)
		}
	}
	if tables := d.AWS.TableNames; len(tables) == 1 {
		d.AWS.TableName, d.AWS.TableNames = tables[0], nil
	}
	return left
}

func (d *document) attributes(all []attribute.KeyValue) {
	exchange := func() *httpBlock {
		if d.HTTP == nil {
			d.HTTP = &httpBlock{}
		}
		return d.HTTP
	}
	request := func() *httpRequest {
		if exchange().Request == nil {
			d.HTTP.Request = &httpRequest{}
		}
		return d.HTTP.Request
	}
	for _, a := range all {
		switch a.Key {
		case "http.request.method":
			request().Method = a.Value.AsString()
		case "url.path":
			request().URL = a.Value.AsString()
		case "http.response.status_code":
			exchange().Response = &httpResponse{a.Value.AsInt64()}
		default:
			d.annotate(string(a.Key), a.Value)
		}
	}
}

// annotate adds an annotation, which X-Ray indexes. Keys consist of letters, digits and underscores.
func (d *document) annotate(key string, value attribute.Value) {
	if len(d.Annotations) >= maxAnnotations {
		return
	}
	key = keyOf(key)
	switch value.Type() {
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		d.Annotations[key] = value.AsInterface()
	default:
		d.Annotations[key] = cut(value.String(), maxAnnotation)
	}
}

func keyOf(key string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, key)
}

// outcome sets who caused an error, and its exceptions.
func (d *document) outcome(span sdktrace.ReadOnlySpan) {
	d.Fault = span.Status().Code == codes.Error
	if d.HTTP != nil && d.HTTP.Response != nil {
		status := d.HTTP.Response.Status
		d.Error, d.Throttle, d.Fault = status >= 400 && status < 500, status == 429, d.Fault || status >= 500
	}
	if d.AWS != nil {
		// Services throttle with other statuses too, and a rejected call is not their fault.
		_, throttled := d.Annotations[throttledKey]
		d.Throttle = d.Throttle || d.Fault && throttled && d.HTTP != nil
		d.Fault = d.Fault && !d.Error && !d.Throttle
		d.Error = d.Error || d.Throttle
	}
	for i, e := range span.Events() {
		if e.Name != "exception" {
			continue
		}
		if d.Cause == nil {
			d.Cause = &cause{}
		}
		x := exception{ID: exceptionID(span.SpanContext().SpanID(), i)}
		for _, a := range e.Attributes {
			switch a.Key {
			case "exception.type":
				x.Type = a.Value.AsString()
			case "exception.message":
				x.Message = cut(a.Value.AsString(), maxAnnotation)
			}
		}
		d.Cause.Exceptions = append(d.Cause.Exceptions, x)
	}
}

// exceptionID returns 16 hex digits that are unique in the trace.
func exceptionID(span trace.SpanID, index int) string {
	span[7] ^= byte(index + 1)
	return span.String()
}

// nameOf removes the characters that X-Ray does not allow in names.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || r == ' ' || strings.ContainsRune(`_.:/%&#=+\-@`, r) {
			return r
		}
		return -1
	}, s)
	return cut(s, maxName)
}

// cut returns the first characters of s, at most limit.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	runes := []rune(s)
	return string(runes[:min(len(runes), limit)])
}
