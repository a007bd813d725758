package listen

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// tls returns nil where no certificate is configured.
func (c Config) tls() (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	p := &pair{certFile: c.CertFile, keyFile: c.KeyFile}
	if err := p.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current(), nil },
	}, nil
}

// pair is a certificate that follows its files.
type pair struct {
	certFile, keyFile string

	mu      sync.Mutex
	cert    *tls.Certificate
	changed time.Time // of the files that cert was read from
	looked  time.Time
}

// lookEvery bounds how often a handshake looks at the files.
const lookEvery = 10 * time.Second

// current returns the certificate, read again where its files changed. Files that can't be read, as in the middle of a
// replacement, leave the one before in place.
func (p *pair) current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.looked) >= lookEvery {
		p.looked = now
		if changed, err := p.modified(); err == nil && !changed.Equal(p.changed) {
			_ = p.read(changed)
		}
	}
	return p.cert
}

func (p *pair) load() error {
	changed, err := p.modified()
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	p.looked = time.Now()
	return p.read(changed)
}

func (p *pair) read(changed time.Time) error {
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	p.cert, p.changed = &cert, changed
	return nil
}

// modified is when the younger of the two files was written.
func (p *pair) modified() (time.Time, error) {
	var latest time.Time
	for _, name := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return time.Time{}, err
		}
		if info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest, nil
}
