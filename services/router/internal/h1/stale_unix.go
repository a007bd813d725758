//go:build unix

package h1

import "syscall"

// Supported tells whether a connection that was kept can be looked at before it is used again.
const Supported = true

// stale reports whether the server has closed a connection that was kept, or has said something unasked.
func (c *conn) stale() bool {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	s, err := raw.SyscallConn()
	if err != nil {
		return true
	}
	quiet := false
	err = s.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return err != nil || !quiet
}
