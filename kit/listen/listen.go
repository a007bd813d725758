// Package listen opens listeners by one rule: plaintext on loopback, TLS elsewhere, and plaintext elsewhere only where
// the operator asked for it by name.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Config is one listener.
type Config struct {
	// Addr is host:port. A missing host is every interface.
	Addr string `yaml:"addr"`
	// CertFile and KeyFile are PEM files; both or neither. A replaced pair is picked up without a restart.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// Plaintext allows a listener off loopback without a certificate, as behind a proxy that ends TLS.
	Plaintext bool `yaml:"plaintext"`
}

// Validate returns an error for a listener that [Listen] would refuse to open.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("addr %q: want host:port", c.Addr)
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("cert_file and key_file go together")
	}
	if c.CertFile == "" && !c.Plaintext && !Loopback(c.Addr) {
		return c.exposed()
	}
	return nil
}

func (c Config) exposed() error {
	return fmt.Errorf("addr %q isn't loopback: give cert_file and key_file, or set plaintext: true", c.Addr)
}

// Listen opens the listener. The TLS configuration is nil for plaintext; the listener itself is always plain TCP, for
// the server to wrap. The caller closes the listener.
func Listen(c Config) (net.Listener, *tls.Config, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	config, err := c.tls()
	if err != nil {
		return nil, nil, err
	}
	lis, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.Addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listening on %s: %w", c.Addr, err)
	}
	// A name such as localhost may have resolved to something else.
	if config == nil && !c.Plaintext && !Loopback(lis.Addr().String()) {
		return nil, nil, errors.Join(c.exposed(), lis.Close())
	}
	return lis, config, nil
}

// Loopback reports whether host:port reaches only this machine: 127.0.0.0/8, ::1 or localhost. An empty host and
// 0.0.0.0 reach every interface.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
