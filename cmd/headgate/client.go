package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/peer"
)

// callTimeout bounds one call that a person waits for.
const callTimeout = 30 * time.Second

// meshFlags are how a command that asks a running mesh finds it and proves who asks.
type meshFlags struct {
	config, addr, ca, keyFile string
	plaintext                 bool
	// service picks where the asked service is, in a mesh of several processes. Nil, or an answer without an address: at
	// the gRPC listener, where one process holds all.
	service func(Peers) peer.Config
}

// addMeshFlags adds --addr, --ca, --plaintext, --key-file and --config to a command.
func addMeshFlags(flags *flag.FlagSet) *meshFlags {
	f := &meshFlags{}
	flags.StringVar(&f.addr, "addr", "", "the gRPC `address` of the mesh, or of the service asked (default HEADGATE_GRPC_ADDR, or 127.0.0.1:9090)")
	flags.StringVar(&f.ca, "ca", "", "a `file` with the certificates (PEM) that sign the mesh's")
	flags.BoolVar(&f.plaintext, "plaintext", false, "send the key without TLS to an address that isn't loopback")
	flags.StringVar(&f.keyFile, "key-file", "", "a `file` with your key (default HEADGATE_KEY, HEADGATE_ADMIN_KEY, or the data directory's admin.key)")
	flags.StringVar(&f.config, "config", "", "a configuration `file` to take address and data directory from (default headgate.yaml, where there is one)")
	return f
}

// meshCommand is what the verbs of a command that asks a running mesh have in common.
type meshCommand struct {
	env   env
	flags *flag.FlagSet
	mesh  *meshFlags
	json  bool
	usage string
}

// init makes the flags, which write into the command: it isn't copied after that.
func (c *meshCommand) init(e env, name, usage string, service func(Peers) peer.Config) {
	c.env, c.usage = e, usage
	c.flags = flag.NewFlagSet(name, flag.ContinueOnError)
	c.mesh = addMeshFlags(c.flags)
	c.mesh.service = service
	c.flags.BoolVar(&c.json, "json", false, "print JSON")
}

// parse reads the arguments, of which want are no flags; those may stand before flags or after.
func (c *meshCommand) parse(args []string, want int) ([]string, error) {
	rest, err := c.parseUpTo(args, want)
	if err == nil && len(rest) != want {
		err = errors.New(c.usage)
	}
	return rest, err
}

// parseUpTo is parse of at most so many that are no flags.
func (c *meshCommand) parseUpTo(args []string, most int) (rest []string, err error) {
	for {
		if err := readFlags(c.env, c.flags, args); err != nil {
			return nil, err
		}
		if c.flags.NArg() == 0 {
			break
		}
		rest, args = append(rest, c.flags.Arg(0)), c.flags.Args()[1:]
	}
	if len(rest) > most {
		return nil, errors.New(c.usage)
	}
	return rest, nil
}

// ask dials the mesh and asks it.
func (c *meshCommand) ask(do func(grpc.ClientConnInterface) error) error {
	conn, closer, err := dialMesh(c.env, c.mesh)
	if err != nil {
		return err
	}
	defer closer()
	return do(conn)
}

// dialMesh returns a connection to the mesh on which every call carries the caller's key, and what closes it. It doesn't
// wait: a mesh that isn't there shows in the first call. The errors of calls read as sentences.
func dialMesh(e env, f *meshFlags) (conn grpc.ClientConnInterface, closer func(), err error) {
	cfg, err := meshConfig(e, f)
	if err != nil {
		return nil, nil, err
	}
	key, err := callerKey(e, f, cfg)
	if err != nil {
		return nil, nil, err
	}
	to := f.target(cfg)
	c, err := peer.Dial(to, peer.Options{Timeout: callTimeout})
	var wrong *conf.InvalidError
	if errors.As(err, &wrong) {
		return nil, nil, fmt.Errorf("the mesh's %s %s; --addr takes another", wrong.Path, wrong.Text)
	}
	if err != nil {
		return nil, nil, err
	}
	return &meshConn{inner: c, key: key, to: to}, func() { _ = c.Close() }, nil
}

// target is where to call: what the flags say, over what the configuration does.
func (f *meshFlags) target(cfg Config) peer.Config {
	var to peer.Config
	if f.service != nil {
		to = f.service(cfg.Peers)
	}
	switch {
	case f.addr != "":
		to = peer.Config{Address: f.addr}
	case to.Address == "":
		to.Address = reachable(cfg.Listen.GRPC.Addr)
	}
	if f.ca != "" {
		to.CAFile = f.ca
	}
	to.Plaintext = to.Plaintext || f.plaintext
	return to
}

// meshConfig is the configuration as far as a client needs it. One that was named must be sound; the default one may
// lack what only servers have, such as providers' keys.
func meshConfig(e env, f *meshFlags) (Config, error) {
	cfg, err := loadConfig(e, f.config)
	if err == nil || f.config != "" {
		return cfg, err
	}
	cfg = Config{}
	cfg.override(e.lookup, func(string, string) {})
	cfg.fill()
	return cfg, nil
}

// callerKey is the first key there is: a file named, HEADGATE_KEY, the administrator's, the one that `all` keeps.
func callerKey(e env, f *meshFlags, cfg Config) (string, error) {
	if f.keyFile != "" {
		return keyIn(f.keyFile)
	}
	if key, ok := e.lookup("HEADGATE_KEY"); ok && key != "" {
		return key, nil
	}
	if cfg.AdminKey != "" {
		return cfg.AdminKey.Reveal(), nil
	}
	key, err := keyIn(filepath.Join(cfg.DataDir, "admin.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no key to call with: set HEADGATE_KEY or HEADGATE_ADMIN_KEY, or name a file with --key-file (%s has no admin.key)", cfg.DataDir)
	}
	return key, err
}

func keyIn(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	key := strings.TrimSpace(string(data))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", fmt.Errorf("reading the key: %s has to hold one key and nothing else", path)
	}
	return key, nil
}

// reachable is an address to dial for one to listen on: a listener on every address is on this machine's too.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
