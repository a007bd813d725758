// Package upstream is the HTTP side of a provider: pooled connections, timers, and the rule that nothing a provider
// says reaches a client with a credential in it.
package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/h1"
)

const (
	// idlePerHost keeps this many idle connections to a provider: a burst of streams that ends shouldn't cost the next
	// one a TLS handshake each.
	idlePerHost = 512
	idleTimeout = 90 * time.Second
	keepAlive   = 30 * time.Second
	// pingAfter and pingTimeout find out that an HTTP/2 connection is dead while a model thinks.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
	// headerLimit bounds a provider's response headers.
	headerLimit = 64 << 10
	// writeBuffer is half of the usual: a connection keeps it as long as its stream is open.
	writeBuffer = 2 << 10
)

// Config is one provider's address and credential.
type Config struct {
	// Name is the provider's configured name, for errors.
	Name string
	// BaseURLs are its replicas, at least one.
	BaseURLs []string
	// Key is Headgate's only credential; Keys, where it is set, are used instead. Authorize puts one on a request.
	Key       string
	Keys      *credential.Pool
	Authorize func(h http.Header, key string)
	// Connect bounds dialling and, separately, the TLS handshake.
	Connect time.Duration
	// UserAgent goes with every request.
	UserAgent string
	// MaxInFlight bounds the calls under way at each replica; 0 doesn't.
	MaxInFlight int64
}

// Client sends requests to one provider. Safe for concurrent use.
type Client struct {
	cfg       Config
	replicas  replicas
	transport *http.Transport
	mask      *Mask
}

// New builds a client. It fails on an address that isn't a URL.
func New(cfg Config) (*Client, error) {
	replicas, err := newReplicas(cfg.BaseURLs)
	if err != nil {
		return nil, err
	}
	if cfg.Keys == nil {
		cfg.Keys = credential.New([]string{cfg.Key}, nil)
	}
	dialer := &net.Dialer{Timeout: cfg.Connect, KeepAlive: keepAlive}
	for _, r := range replicas {
		r.straighten(dialer)
	}
	return &Client{cfg: cfg, replicas: replicas, transport: newTransport(dialer), mask: NewMask(cfg.Keys.Values()...)}, nil
}

// newTransport asks for no compression (a compressed event stream can't be flushed frame by frame) and follows no
// redirect, since it is used without an http.Client.
func newTransport(dialer *net.Dialer) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialer.Timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerLimit,
		WriteBufferSize:        writeBuffer,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// Request is what is sent.
type Request struct {
	// Method is GET, POST or DELETE.
	Method string
	// Path is joined to the base URL; it may carry a query.
	Path string
	// Header goes as it is; the credential, the content type and the user agent are added.
	Header http.Header
	// Body may be nil.
	Body []byte
	// Stream is a body that is made while it is sent, in place of Body, of the type ContentType. It is read once: what
	// broke isn't repeated. It is closed when the provider has answered or the connection broke; where nothing was sent,
	// closing it is the caller's.
	Stream      io.ReadCloser
	ContentType string
	// Model is what is asked, for the choice of a key; it may be empty.
	Model string
	// Key, where it is one, is used in place of that choice.
	Key credential.Lease
}

// Send returns the provider's answer, whatever its status, once the head is there. It goes to the replica with the
// fewest calls under way. The caller closes the body. Errors are *fault.Error: PROVIDER_UNREACHABLE, TIMEOUT, CANCELLED,
// or OVERLOADED where every replica is busy. Redirects aren't followed.
func (c *Client) Send(ctx context.Context, r Request) (*http.Response, error) {
	to := c.replicas.pick(c.cfg.MaxInFlight)
	if to == nil {
		return nil, fault.New(errorsv1.Reason_REASON_OVERLOADED, "provider %s has all it can do; try again a little later", c.cfg.Name).
			With("provider", c.cfg.Name).After(busyFor)
	}
	return c.SendTo(ctx, to, r)
}

// busyFor is when a caller may try a busy provider again.
const busyFor = time.Second

// Replicas returns the provider's addresses in the order of the configuration.
func (c *Client) Replicas() []*Replica { return c.replicas }

// SendTo is Send to one of the Replicas.
func (c *Client) SendTo(ctx context.Context, to *Replica, r Request) (*http.Response, error) {
	key := r.Key
	if key == (credential.Lease{}) {
		key = c.cfg.Keys.Pick(r.Model, time.Now())
	}
	to.inFlight.Add(1)
	resp, err := c.roundTrip(ctx, to, r, key)
	if err != nil {
		to.inFlight.Add(-1)
		return nil, err
	}
	c.judge(key, resp)
	resp.Body = &body{ReadCloser: resp.Body, of: to, key: key}
	return resp, nil
}

// Probe asks one of the Replicas how it is: that is no call, and says nothing about keys.
func (c *Client) Probe(ctx context.Context, to *Replica, path string) (*http.Response, error) {
	r := Request{Method: http.MethodGet, Path: path, Header: http.Header{}}
	return c.roundTrip(ctx, to, r, c.cfg.Keys.Pick("", time.Now()))
}

func (c *Client) roundTrip(ctx context.Context, to *Replica, r Request, key credential.Lease) (*http.Response, error) {
	resp, err := c.exchange(ctx, to, r, c.header(r, key))
	switch {
	case errors.Is(err, h1.ErrRequest):
		return nil, fault.New(errorsv1.Reason_REASON_INTERNAL, "the request to the provider can't be built").Because(err)
	case err != nil:
		to.failed(ctx)
		return nil, c.Explain(ctx, err)
	}
	return resp, nil
}

// exchange sends a request the straight way, where there is one, or by net/http.
func (c *Client) exchange(ctx context.Context, to *Replica, r Request, header http.Header) (*http.Response, error) {
	url := to.at(r.Path)
	if to.straight != nil && r.Stream == nil && len(r.Body) <= h1.MaxBody {
		return to.straight.RoundTrip(ctx, h1.Request{
			Method: r.Method, Target: url.RequestURI(), Host: url.Host, Header: header, Body: r.Body,
		})
	}
	var body io.Reader
	switch {
	case r.Stream != nil:
		body = r.Stream
	case r.Body != nil:
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "", body)
	if err != nil {
		return nil, errors.Join(h1.ErrRequest, err)
	}
	req.URL, req.Host, req.Header = url, url.Host, header
	return c.transport.RoundTrip(req)
}

// header completes what goes along: it is the request's own, and used once.
func (c *Client) header(r Request, key credential.Lease) http.Header {
	header := r.Header
	if header == nil {
		header = make(http.Header)
	}
	switch {
	case r.Stream != nil:
		header.Set("Content-Type", r.ContentType)
	case r.Body != nil:
		header.Set("Content-Type", "application/json")
	}
	header.Set("User-Agent", c.cfg.UserAgent)
	if value := key.Value(); value != "" {
		c.cfg.Authorize(header, value)
	}
	return header
}

// judge lets a key rest whose answer asks for it.
func (c *Client) judge(key credential.Lease, resp *http.Response) {
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		now := time.Now()
		key.Limited(now, RetryAfter(resp.Header, now))
	case http.StatusUnauthorized:
		key.Refused(time.Now())
	case http.StatusForbidden:
		key.Forbidden(time.Now())
	case http.StatusPaymentRequired:
		key.Exhausted(time.Now())
	}
}

// Key returns the key that an answer came to.
func (c *Client) Key(resp *http.Response) credential.Lease {
	b, _ := resp.Body.(*body)
	if b == nil {
		return credential.Lease{}
	}
	return b.key
}

// Explain turns a transport's error into what the caller may know: the timer that ran out, that it left, or that the
// provider can't be reached.
func (c *Client) Explain(ctx context.Context, err error) error {
	var known *fault.Error
	if errors.As(context.Cause(ctx), &known) {
		return known
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(errorsv1.Reason_REASON_TIMEOUT, "the deadline that came with the call passed; try again with a later one").
			With("timer", timerDeadline)
	}
	if ctx.Err() != nil {
		return fault.From(ctx.Err())
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return TimeoutError(TimerConnect, c.cfg.Connect).With("provider", c.cfg.Name).Because(err)
	}
	return fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE,
		"provider %s can't be reached; try again, or ask the operator to check its address", c.cfg.Name).
		With("provider", c.cfg.Name).Because(err)
}

// Mask returns data without Headgate's credential and without anything that looks like a key.
func (c *Client) Mask(data []byte) []byte { return c.mask.Bytes(data) }

// Healthy reports whether a replica is healthy, as the active checks have it; known is false before the first of them.
func (c *Client) Healthy() (healthy, known bool) {
	for _, r := range c.replicas {
		known = known || r.checked.Load()
		healthy = healthy || !r.sick.Load()
	}
	return healthy && known, known
}

// Close closes idle connections.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	for _, r := range c.replicas {
		if r.straight != nil {
			r.straight.Close()
		}
	}
}
