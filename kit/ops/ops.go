// Package ops is the operations listener of a process: metrics, liveness, readiness and, on loopback only, profiles.
package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-mesh/headgate/kit/listen"
)

// Options is what the listener reports. Every field may be left out.
type Options struct {
	// Gatherer is what /metrics shows.
	Gatherer prometheus.Gatherer
	// Ready returns the names of what isn't ready; none means ready.
	Ready func(ctx context.Context) []string
	// TLS protects the listener; see package listen.
	TLS *tls.Config
}

// Serve answers on lis until ctx ends, and closes lis. It returns nil after an ordinary stop.
func Serve(ctx context.Context, lis net.Listener, o Options) error {
	server := &http.Server{
		Handler:           Handler(o, listen.Loopback(lis.Addr().String())),
		TLSConfig:         o.TLS,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- serve(server, lis) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return errors.Join(shutdown(server), <-failed)
}

func serve(server *http.Server, lis net.Listener) error {
	var err error
	if server.TLSConfig != nil {
		err = server.ServeTLS(lis, "", "")
	} else {
		err = server.Serve(lis)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drainTimeout is short: nothing here takes long but a CPU profile, which isn't worth waiting for.
const drainTimeout = time.Second

func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
