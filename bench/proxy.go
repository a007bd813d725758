package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// serveProxy is the floor: what the standard library's reverse proxy costs, flushing each write.
func serveProxy(ctx context.Context, addr, towards string) error {
	upstream, err := url.Parse(towards)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              addr,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: readFirst(&httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
			FlushInterval: -1,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		}),
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// readFirst takes the whole request in before it goes on. Without it the proxy was seen to cut streams short, when the
// upstream answers before the request's body has been read: a floor that loses answers measures nothing.
func readFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}
