package conf

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
)

const mostPort = 65535

// ListenAddress returns an error, without a path, for what nothing can listen on: it wants host:port with a port from 0,
// which is any free one, to 65535. The host may be missing.
func ListenAddress(addr string) error { return address(addr, 0) }

// DialAddress returns an error, without a path, for what nothing can be called at: it wants host:port with a port from 1 to
// 65535. A missing host is this machine.
func DialAddress(addr string) error { return address(addr, 1) }

func address(addr string, least int) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Invalid("", "has to be host:port, such as 127.0.0.1:9090")
	}
	n, err := Port(port)
	if err != nil {
		return Invalid("", "has to end in a port, a number from %d to %d", least, mostPort)
	}
	if n < least || n > mostPort {
		return Invalid("", "has a port that isn't from %d to %d", least, mostPort)
	}
	return nil
}

var errNoPort = errors.New("no port")

// Port returns the number of a port, which may be given as the name of a service, such as http. It may be out of range.
func Port(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, nil
	}
	if name == "" {
		return 0, errNoPort
	}
	return new(net.Resolver).LookupPort(context.Background(), "tcp", name) // asks nobody: the names are in a file
}

// RedisURL returns an error, without a path, where a node that the URL of a Redis names can't be one: host:port of the URL
// itself, and of each ?addr. What else such a URL may hold is for the driver to judge. It never quotes the URL, which may
// hold a password.
func RedisURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return Invalid("", "isn't the address of a Redis; write redis://user:password@host:port/db")
	}
	nodes := u.Query()["addr"]
	if u.Port() != "" {
		nodes = append(nodes, net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), u.Port()))
	}
	for _, node := range nodes {
		var e *InvalidError
		if errors.As(DialAddress(node), &e) {
			return Invalid("", "names a node that can't be one: it %s", e.Text)
		}
	}
	return nil
}
