package adapter

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// maxBody bounds a unary answer, maxErrorBody an error's.
const (
	maxBody      = 64 << 20
	maxErrorBody = 256 << 10
)

// Call is a client's request, in the provider's own dialect.
type Call struct {
	// Body is the client's bytes; Facts what they say; Model the name the provider knows.
	Body  []byte
	Facts dialect.Facts
	Model string
	// Headers and Query are the client's; what isn't on the dialect's lists stays behind.
	Headers []*routerv1.Header
	Query   string
	// Silences bound those of a stream.
	Silences Silences
}

// Answer is a provider's answer: its head, and either the whole body or a stream. The caller closes the stream.
type Answer struct {
	// Status is the provider's.
	Status int
	// Headers are those that pass to the client.
	Headers []*routerv1.Header
	// UpstreamRequestID is the provider's own id of the exchange.
	UpstreamRequestID string
	// Body is the whole body of an answer that isn't a stream, credentials masked where it is an error.
	Body []byte
	// Reading is what a successful Body tells.
	Reading dialect.Reading
	// Stream is set for a stream.
	Stream *Stream
}

// Relay sends a client's bytes with only the model, the usage option and the credential changed. An answer whose status
// is an error of the provider is an Answer, not an error: its message is the client's to read. Errors are *fault.Error.
func (a *Adapter) Relay(ctx context.Context, c Call) (*Answer, error) {
	ctx, watch := a.watch(ctx, c)
	resp, err := a.post(ctx, a.wire.ChatPath+a.query(c.Query), a.clientHeader(c.Headers), a.wire.Rewrite(c.Body, c.Facts, c.Model))
	if err != nil {
		watch.Stop()
		return nil, err
	}
	if c.Facts.Stream && resp.StatusCode == http.StatusOK && isEventStream(resp.Header) {
		answer := a.head(resp)
		answer.Stream = newStream(ctx, a, resp.Body, a.wire.NewTap(c.Facts), watch)
		return answer, nil
	}
	defer watch.Stop()
	defer resp.Body.Close()
	return a.whole(ctx, resp, c.Facts.Stream)
}

func (a *Adapter) watch(ctx context.Context, c Call) (context.Context, *upstream.Watch) {
	if c.Facts.Stream {
		return upstream.NewWatch(ctx, c.Silences.FirstContent, c.Silences.Gap)
	}
	return upstream.Unwatched(ctx)
}

// whole reads an answer that isn't a stream.
func (a *Adapter) whole(ctx context.Context, resp *http.Response, wantStream bool) (*Answer, error) {
	if err := a.refused(resp.StatusCode); err != nil {
		return nil, err
	}
	body, err := a.readBody(ctx, resp)
	if err != nil {
		return nil, err
	}
	answer := a.head(resp)
	if resp.StatusCode != http.StatusOK {
		return a.failed(answer, body)
	}
	if wantStream {
		return nil, a.malformed("something other than an event stream", nil)
	}
	answer.Body = body
	answer.Reading, err = a.wire.ReadResponse(body)
	if err != nil {
		return nil, a.malformed("an answer that can't be understood", err)
	}
	return answer, nil
}

// failed makes a provider's error presentable: in the dialect's shape, under its real status, without credentials.
func (a *Adapter) failed(answer *Answer, body []byte) (*Answer, error) {
	if answer.Status < 400 {
		return nil, a.malformed("a redirect or an empty success", nil)
	}
	answer.Body = a.client.Mask(body)
	if !a.wire.IsError(answer.Body) {
		answer.Body = a.wire.ErrorBody(a.providerError(answer.Status, answer.Body), answer.UpstreamRequestID)
		answer.Headers = withJSON(answer.Headers)
	}
	return answer, nil
}

func (a *Adapter) readBody(ctx context.Context, resp *http.Response) ([]byte, error) {
	limit := int64(maxBody)
	if resp.StatusCode >= 400 {
		limit = maxErrorBody
	}
	body, err := readAll(resp, limit)
	if err != nil {
		if cause := a.client.Explain(ctx, err); ctx.Err() != nil {
			return nil, cause
		}
		return nil, a.malformed("an answer that broke off", err)
	}
	if int64(len(body)) > limit {
		return nil, a.malformed("an answer larger than Headgate takes", nil)
	}
	return body, nil
}

// readAll reads one byte more than the limit, to tell a body that is too large.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= limit {
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(resp.Body, limit+1))
}

func (a *Adapter) head(resp *http.Response) *Answer {
	answer := &Answer{Status: resp.StatusCode, UpstreamRequestID: text(resp.Header.Get(a.wire.RequestIDHeader))}
	for name, values := range resp.Header {
		lower := strings.ToLower(name)
		if !a.wire.ResponseHeader(lower) {
			continue
		}
		for _, v := range values {
			answer.Headers = append(answer.Headers, &routerv1.Header{Name: lower, Value: text(v)})
		}
	}
	return answer
}

// text is a header's value as a proto string can carry it: HTTP allows any bytes, proto only UTF-8.
func text(value string) string { return strings.ToValidUTF8(value, "?") }

func (a *Adapter) clientHeader(headers []*routerv1.Header) http.Header {
	h := make(http.Header, 8)
	for _, header := range headers {
		if slices.Contains(a.wire.RequestHeaders, header.GetName()) {
			h.Add(header.GetName(), header.GetValue())
		}
	}
	return h
}

// query keeps the parameters on the dialect's list.
func (a *Adapter) query(raw string) string {
	if raw == "" || len(a.wire.QueryParameters) == 0 {
		return ""
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return ""
	}
	kept := url.Values{}
	for _, name := range a.wire.QueryParameters {
		if v, ok := values[name]; ok {
			kept[name] = v
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "?" + kept.Encode()
}

func withJSON(headers []*routerv1.Header) []*routerv1.Header {
	for _, h := range headers {
		if h.GetName() == "content-type" {
			h.Value = "application/json"
			return headers
		}
	}
	return append(headers, &routerv1.Header{Name: "content-type", Value: "application/json"})
}
