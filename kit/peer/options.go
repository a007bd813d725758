// Package peer is how one service of the mesh calls another: over a connection or in process, with the same metadata,
// the same deadline and the same errors in both.
package peer

import (
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
)

// Config is where a service is and how it is trusted.
type Config struct {
	// Address is host:port; every address that the name resolves to is used in turn. Also several host:port with commas
	// between them, and unix:/path.
	Address string `yaml:"address"`
	// CAFile holds the certificates (PEM) that the server's must be signed by. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Plaintext allows a connection without TLS to an address that isn't loopback.
	Plaintext bool `yaml:"plaintext"`
}

// Validate returns an error for an address that can't be dialled, by its path in the file.
func (c Config) Validate() error {
	if c.Address == "" {
		return conf.Invalid("address", "is required")
	}
	if c.unix() {
		return nil
	}
	list := c.list()
	for i, address := range list {
		var wrong *conf.InvalidError
		if !errors.As(conf.DialAddress(address), &wrong) {
			continue
		}
		if len(list) > 1 {
			return conf.Invalid("address", "number %d of those between commas %s", i+1, wrong.Text)
		}
		return conf.Invalid("address", "%s", wrong.Text)
	}
	return nil
}

// Check is Validate, and reads the file of certificates.
func (c Config) Check() error {
	if err := c.Validate(); err != nil {
		return err
	}
	if _, err := transport(c); err != nil {
		return conf.Invalid("ca_file", "%v", err)
	}
	return nil
}

// list is every address that was given.
func (c Config) list() []string {
	list := strings.Split(c.Address, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

func (c Config) unix() bool { return strings.HasPrefix(c.Address, "unix:") }

// target is the address as gRPC names it, and what resolves it where gRPC can't.
func (c Config) target() (string, []grpc.DialOption) {
	list := c.list()
	switch {
	case c.unix():
		return c.Address, nil
	case len(list) == 1:
		return "dns:///" + list[0], nil
	}
	var state resolver.State
	for _, address := range list {
		host, _, _ := net.SplitHostPort(address)
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{
			Addresses: []resolver.Address{{Addr: address, ServerName: host}},
		})
	}
	several := manual.NewBuilderWithScheme("several")
	several.InitialState(state)
	return "several:///" + list[0], []grpc.DialOption{grpc.WithResolvers(several)}
}

// insecure reports whether the connection goes without TLS: to this machine, or where it was asked for by name. A CA
// asks for TLS everywhere.
func (c Config) insecure() bool {
	if c.CAFile != "" {
		return false
	}
	return c.Plaintext || c.unix() || !slices.ContainsFunc(c.list(), func(a string) bool { return !listen.Loopback(a) })
}

// Options is what every call of a client carries. The zero value works.
type Options struct {
	// Credentials prove this process to internal methods. Default: none.
	Credentials auth.Credentials
	// Logger tells where a service refuses those credentials. Default: discards.
	Logger *slog.Logger
	// Timeout is the deadline of a call whose context has none. Default 10 min, longer than any stream should be; NoTimeout
	// is for calls whose server ends them by itself.
	Timeout time.Duration
	// MaxRecv and MaxSend bound messages, in bytes. Default 64 MiB and 32 MiB, the reverse of the server's.
	MaxRecv, MaxSend int
	// HealthService is the name whose health decides whether an address gets calls. Default "", the whole server.
	HealthService string
}

// NoTimeout gives a call no deadline.
const NoTimeout time.Duration = -1

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.MaxRecv == 0 {
		o.MaxRecv = 64 << 20
	}
	if o.MaxSend == 0 {
		o.MaxSend = 32 << 20
	}
	return o
}
