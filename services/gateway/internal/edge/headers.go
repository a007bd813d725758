package edge

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/kit/meta"
)

// Served sets the headers that tell who answered; what isn't known is left out.
func Served(h http.Header, provider, model, upstreamRequestID string, attempts int32) {
	fieldsOf(h, served).served(provider, model, upstreamRequestID, attempts)
}

// served is how many fields it has.
const served = 5

func (f *fields) served(provider, model, upstreamRequestID string, attempts int32) {
	f.set(meta.Provider, provider)
	f.set(meta.Model, headerText(model))
	if upstreamRequestID != "" {
		f.set(meta.UpstreamRequestID, upstreamRequestID)
	}
	f.set(meta.Attempts, itoa(int(attempts)))
	if len(f.header[spelling(meta.Cache)]) == 0 {
		f.set(meta.Cache, "off")
	}
}

// maxWarning bounds the header that tells what was left out of a request.
const maxWarning = 1 << 10

// Warn sets the header that tells what of the request the provider can't express and was left out.
func Warn(h http.Header, warnings []string) {
	if text := headerText(strings.Join(warnings, "; ")); text != "" {
		h.Set(meta.Warnings, text[:min(len(text), maxWarning)])
	}
}

// headerText replaces what a header can't carry: a model's name is the client's own text.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// utf8Text is text that a proto string can carry: HTTP allows any bytes.
func utf8Text(s string) string { return strings.ToValidUTF8(s, "?") }

// steering are the request headers that travel to the router as metadata of the same name.
var steering = meta.Steering()

// steered returns the request's context with its steering headers as outgoing metadata.
func steered(r *http.Request) context.Context {
	ctx := r.Context()
	for _, name := range steering {
		for _, v := range r.Header[spelling(name)] {
			ctx = metadata.AppendToOutgoingContext(ctx, name, headerText(v))
		}
	}
	return ctx
}

func itoa(n int) string { return strconv.Itoa(n) }

// AsFrame makes one frame of an error body, for a client that a heartbeat has already promised a stream.
func (d *Dialect) AsFrame(body []byte) []byte {
	line := bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\n"), nil), []byte("\r"), nil)
	if bytes.Contains(d.Heartbeat(), []byte("event:")) {
		return append(append([]byte("event: error\ndata: "), line...), "\n\n"...)
	}
	return append(append([]byte("data: "), line...), "\n\n"...)
}
