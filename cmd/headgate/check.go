package main

import (
	"crypto/tls"
	"net"
	"net/netip"
	"os"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/peer"
)

// namedListener is a listener with its path in the file.
type namedListener struct {
	path string
	cfg  listen.Config
}

func (c *Config) listeners() []namedListener {
	return []namedListener{{"listen.http", c.Listen.HTTP}, {"listen.grpc", c.Listen.GRPC}, {"listen.ops", c.Listen.Ops}}
}

// namedPeer is a peer with its path in the file.
type namedPeer struct {
	path string
	cfg  peer.Config
}

// named are the peers that are somewhere.
func (p Peers) named() (list []namedPeer) {
	for _, to := range []namedPeer{
		{"peers.router", p.Router},
		{"peers.keys", p.Keys},
		{"peers.ratelimit", p.RateLimit},
		{"peers.cache", p.Cache},
		{"peers.usage", p.Usage},
		{"peers.batch", p.Batch},
	} {
		if to.cfg.Address != "" {
			list = append(list, to)
		}
	}
	return list
}

// checkListener finds what [listen.Listen] would refuse without opening anything.
func checkListener(p *conf.Findings, path string, c listen.Config) {
	if err := conf.ListenAddress(c.Addr); err != nil {
		p.Join(path+".addr", err)
		return
	}
	switch {
	case c.CertFile != "" && c.KeyFile == "":
		p.Add(path+".cert_file", "needs key_file beside it")
	case c.KeyFile != "" && c.CertFile == "":
		p.Add(path+".key_file", "needs cert_file beside it")
	case c.CertFile == "" && !c.Plaintext && !listen.Loopback(c.Addr):
		p.Add(path+".addr", "isn't loopback: give cert_file and key_file, or set plaintext: true")
	}
}

// checkAll finds what would stop a process with this configuration from starting, beyond what [Config.validate] finds: it
// reads every file that the configuration names. It neither listens nor dials.
func (c *Config) checkAll() error {
	var p conf.Findings
	for _, l := range c.listeners() {
		checkCertificate(&p, l.path, l.cfg)
	}
	p.Join("", c.checkClash())
	for _, to := range c.Peers.named() {
		if to.cfg.Validate() == nil {
			p.Join(to.path, to.cfg.Check())
		}
	}
	routerConfig := c.router()
	if routerConfig.Sensitivity.Validate() == nil {
		p.Join("", routerConfig.CheckFiles())
	}
	return p.Err()
}

func checkCertificate(p *conf.Findings, path string, c listen.Config) {
	if c.CertFile == "" || c.KeyFile == "" {
		return
	}
	cert, certErr := os.ReadFile(c.CertFile)
	if certErr != nil {
		p.Add(path+".cert_file", "can't be read: %v", certErr)
	}
	key, keyErr := os.ReadFile(c.KeyFile)
	if keyErr != nil {
		p.Add(path+".key_file", "can't be read: %v", keyErr)
	}
	if certErr != nil || keyErr != nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		p.Add(path+".cert_file", "isn't a certificate that fits the key in key_file: %v", err)
	}
}

// checkClash finds two listeners that one process can't open both. It names the one that was chosen, where the other is a
// default.
func (c *Config) checkClash() error {
	var p conf.Findings
	var defaults Config
	defaults.fill()
	all, usual := c.listeners(), defaults.listeners()
	for i, l := range all {
		for _, before := range all[:i] {
			if !clash(before.cfg.Addr, l.cfg.Addr) {
				continue
			}
			chosen, other := l, before
			if l.cfg.Addr == usual[i].cfg.Addr {
				chosen, other = before, l
			}
			p.Add(chosen.path+".addr", "is the address of %s, too: one process can't listen there twice", other.path)
		}
	}
	return p.Err()
}

// clash reports whether two addresses can't be listened on at once: the same port, which isn't just any, of the same host or
// of all.
func clash(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return false
	}
	n, errA := conf.Port(portA)
	m, errB := conf.Port(portB)
	if errA != nil || errB != nil || n != m || n == 0 {
		return false
	}
	return everyHost(hostA) || everyHost(hostB) || sameHost(hostA, hostB)
}

func everyHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func sameHost(a, b string) bool {
	if a == "localhost" {
		a = "127.0.0.1"
	}
	if b == "localhost" {
		b = "127.0.0.1"
	}
	return a == b
}
