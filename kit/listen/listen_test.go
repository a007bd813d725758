package listen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-mesh/headgate/kit/listen"
)

func TestLoopback(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:0": true, "[::1]:80": true, "localhost:80": true, "LOCALHOST:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false,
		"127.0.0.1": false, "": false, "localhost.example.com:80": false, "127.0.0.1.example.com:80": false, "[fe80::1]:80": false,
	}
	for addr, want := range cases {
		if listen.Loopback(addr) != want {
			t.Errorf("Loopback(%q) = %v", addr, !want)
		}
	}
}

func TestPlaintextOffLoopbackIsRefused(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "no port", "example.com:0"} {
		if lis, _, err := listen.Listen(listen.Config{Addr: addr}); err == nil {
			t.Errorf("%s: listening", addr)
			_ = lis.Close()
		}
	}
	for name, c := range map[string]listen.Config{
		"loopback":            {Addr: "127.0.0.1:0"},
		"asked for by name":   {Addr: "0.0.0.0:0", Plaintext: true},
		"a name for loopback": {Addr: "localhost:0"},
	} {
		lis, config, err := listen.Listen(c)
		if err != nil || config != nil {
			t.Errorf("%s: %v, %v", name, config, err)
			continue
		}
		_ = lis.Close()
	}
}

func TestCertificateHalves(t *testing.T) {
	t.Parallel()
	err := listen.Config{Addr: "127.0.0.1:0", CertFile: "x"}.Validate()
	if err == nil || !strings.Contains(err.Error(), "go together") {
		t.Errorf("half a pair: %v", err)
	}
	if _, _, err := listen.Listen(listen.Config{Addr: ":0", CertFile: "none", KeyFile: "none"}); err == nil {
		t.Error("a missing certificate is accepted")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	c := listen.Config{Addr: "0.0.0.0:0", CertFile: filepath.Join(t.TempDir(), "c"), KeyFile: filepath.Join(t.TempDir(), "k")}
	writePair(t, c, "one")
	lis, config, err := listen.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	if name, err := handshake(t, config, tls.VersionTLS13); err != nil || name != "one" {
		t.Errorf("TLS 1.3: %q, %v", name, err)
	}
	if _, err := handshake(t, config, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// TestReplacedCertificateIsPickedUp, and half of a replacement isn't.
func TestReplacedCertificateIsPickedUp(t *testing.T) {
	t.Parallel()
	c := listen.Config{Addr: "127.0.0.1:0", CertFile: filepath.Join(t.TempDir(), "c"), KeyFile: filepath.Join(t.TempDir(), "k")}
	writePair(t, c, "one")
	synctest.Test(t, func(t *testing.T) {
		lis, config, err := listen.Listen(c)
		if err != nil {
			t.Fatal(err)
		}
		_ = lis.Close()
		presented := func() string {
			cert, err := config.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			return leaf.Subject.CommonName
		}
		writePair(t, c, "two")
		key, err := os.ReadFile(c.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		write(t, c.KeyFile, []byte("half"), time.Unix(2000, 0))
		time.Sleep(time.Minute) // of the bubble's clock
		if got := presented(); got != "one" {
			t.Errorf("in the middle of a replacement: %q", got)
		}
		write(t, c.KeyFile, key, time.Unix(3000, 0))
		time.Sleep(time.Minute)
		if got := presented(); got != "two" {
			t.Errorf("after it: %q", got)
		}
	})
}

func handshake(t *testing.T, config *tls.Config, version uint16) (name string, err error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() { _ = tls.Server(a, config).Handshake() }()
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
	if err := client.Handshake(); err != nil {
		return "", err
	}
	return client.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func writePair(t *testing.T, c listen.Config, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), time.Unix(1000, 0))
	write(t, c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), time.Unix(1000, 0))
}

func write(t *testing.T, path string, data []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
