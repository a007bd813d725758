//go:build !unix || solaris || illumos || aix

package sqlite

import "os"

// lockFile opens the file; here nothing keeps a second process out.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
