package adapter

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// maxBody bounds a unary answer, maxErrorBody an error's.
const (
	maxBody      = 64 << 20
	maxErrorBody = 256 << 10
)

// Relay implements provider.Raw.
func (a *Adapter) Relay(ctx context.Context, c provider.Call) (*provider.Answer, error) {
	w := a.raw[c.Dialect]
	raw := w.Raw[c.Operation]
	if err := a.cfg.URLs.checkRaw(c); err != nil {
		return nil, err
	}
	stop := func() {}
	var watch *upstream.Watch
	if c.Facts.Stream { // a whole answer has no first content to wait for
		ctx, watch = upstream.NewWatch(ctx, c.Silences.FirstContent, c.Silences.Gap)
		stop = watch.Stop
	}
	resp, err := a.post(ctx, c.Model, raw.Path+query(w, c.Query), clientHeader(w, c.Headers), raw.Rewrite(c.Body, c.Facts, c.Model))
	if err != nil {
		stop()
		return nil, err
	}
	if c.Facts.Stream && raw.NewTap != nil && resp.StatusCode == http.StatusOK && isEventStream(resp.Header) {
		answer := head(w, resp)
		answer.Stream = newStream(ctx, a, resp.Body, raw.NewTap(c.Facts), watch)
		return answer, nil
	}
	defer stop()
	defer resp.Body.Close()
	return a.whole(ctx, w, resp, c)
}

// whole reads an answer that isn't a stream.
func (a *Adapter) whole(ctx context.Context, w *wire.Wire, resp *http.Response, c provider.Call) (*provider.Answer, error) {
	if err := a.refused(resp); err != nil {
		return nil, err
	}
	body, err := a.readBody(ctx, resp)
	answer := head(w, resp)
	if resp.StatusCode != http.StatusOK {
		if err != nil {
			return nil, err
		}
		return a.failed(w, resp, answer, body)
	}
	switch {
	case err != nil:
	case c.Facts.Stream:
		err = a.malformed("something other than an event stream", nil)
	default:
		if answer.Body, answer.Reading, err = w.Raw[c.Operation].Read(body, c.Body); err != nil {
			err = a.malformed("an answer that can't be understood", err)
		}
	}
	if err != nil {
		return nil, broken(answer.UpstreamRequestID, body, err)
	}
	return answer, nil
}

// broken is the end of an answer that began as a success.
func broken(requestID string, said []byte, cause error) error {
	return &provider.BrokenError{Cause: cause, UpstreamRequestID: requestID, Said: int64(len(said))}
}

// failed makes a provider's error presentable: in the dialect's shape, under its real status, without credentials.
func (a *Adapter) failed(w *wire.Wire, resp *http.Response, answer *provider.Answer, body []byte) (*provider.Answer, error) {
	if answer.Status < 400 {
		return nil, a.malformed("a redirect or an empty success", nil)
	}
	answer.Body = a.client.Mask(body)
	if w.MendError != nil {
		answer.Body = w.MendError(answer.Body)
	}
	said := w.DecodeError(answer.Status, answer.Body)
	answer.Code = said.Code
	a.exhausted(resp, said)
	if !w.IsError(answer.Body) {
		answer.Body = w.ErrorBody(a.providerError(said), answer.UpstreamRequestID)
		answer.Headers = withJSON(answer.Headers)
	}
	return answer, nil
}

// readBody returns the body, or what was there of it beside the error.
func (a *Adapter) readBody(ctx context.Context, resp *http.Response) ([]byte, error) {
	limit := int64(maxBody)
	if resp.StatusCode >= 400 {
		limit = maxErrorBody
	}
	body, err := readAll(resp, limit)
	if err != nil {
		if cause := a.client.Explain(ctx, err); ctx.Err() != nil {
			return body, cause
		}
		return body, a.malformed("an answer that broke off", err)
	}
	if int64(len(body)) > limit {
		if resp.StatusCode >= 400 {
			return body[:limit], nil // vLLM's may hold the request many times over
		}
		return body, a.malformed("an answer larger than Headgate takes", nil)
	}
	return body, nil
}

// readAll reads one byte more than the limit, to tell a body that is too large.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= limit {
		body := make([]byte, n)
		got, err := io.ReadFull(resp.Body, body)
		return body[:got], err
	}
	return io.ReadAll(io.LimitReader(resp.Body, limit+1))
}

func head(w *wire.Wire, resp *http.Response) *provider.Answer {
	answer := &provider.Answer{Status: resp.StatusCode, UpstreamRequestID: text(resp.Header.Get(w.RequestIDHeader))}
	if resp.StatusCode >= 400 {
		answer.RetryAfter = upstream.RetryAfter(resp.Header, time.Now())
		answer.Final = final(resp.Header)
	}
	// Mostly each has one value: then they are made in one piece.
	made := make([]routerv1.Header, 0, len(resp.Header))
	answer.Headers = make([]*routerv1.Header, 0, len(resp.Header))
	for name, values := range resp.Header {
		lower := wire.Lower(name)
		if !w.ResponseHeader(lower) {
			continue
		}
		for _, v := range values {
			made = append(made, routerv1.Header{Name: lower, Value: text(v)})
			answer.Headers = append(answer.Headers, &made[len(made)-1])
		}
	}
	return answer
}

// final reports whether a provider says that a repetition won't help, as the vendors' SDKs read it.
func final(h http.Header) bool { return h.Get("X-Should-Retry") == "false" }

func clientHeader(w *wire.Wire, headers []*routerv1.Header) http.Header {
	h := make(http.Header, 8)
	for _, header := range headers {
		if slices.Contains(w.RequestHeaders, header.GetName()) {
			h.Add(header.GetName(), header.GetValue())
		}
	}
	return h
}

// query keeps the parameters on the dialect's list.
func query(w *wire.Wire, raw string) string {
	if raw == "" || len(w.QueryParameters) == 0 {
		return ""
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return ""
	}
	kept := url.Values{}
	for _, name := range w.QueryParameters {
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
