package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
)

// ownSecrets gives `all` what the operator didn't: the root secret and, on loopback, an administrator's key, both kept
// in the data directory. made reports whether the key is one that Headgate made, and so may show.
func ownSecrets(c *Config) (made bool, err error) {
	if c.Secret == "" {
		secret, err := keep(c.DataDir, "secret", rand.Text()+rand.Text())
		if err != nil {
			return false, err
		}
		c.Secret = secret
	}
	if c.AdminKey != "" {
		return false, nil
	}
	if !listen.Loopback(c.Listen.HTTP.Addr) || !listen.Loopback(c.Listen.GRPC.Addr) || !listen.Loopback(c.Listen.Ops.Addr) {
		return false, errors.New("a listener is not on loopback, and there is no administrator's key: set HEADGATE_ADMIN_KEY")
	}
	c.AdminKey, err = keep(c.DataDir, "admin.key", apikey.New("local"))
	return true, err
}

// keep returns the secret that is kept under a name, after keeping fresh where there is none.
func keep(dir, name, fresh string) (conf.Secret, error) {
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(data)) != "" {
		return conf.Secret(strings.TrimSpace(string(data))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(fresh+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return conf.Secret(fresh), nil
}

// needSecrets is for processes of a split mesh: they can't make secrets that the others share.
func needSecrets(c Config) error {
	if c.Secret == "" {
		return errors.New("set HEADGATE_SECRET: the same for every process of the mesh, at least 32 characters")
	}
	if c.AdminKey == "" {
		return errors.New("set HEADGATE_ADMIN_KEY: the administrator's key, the same for every process of the mesh")
	}
	return nil
}
