package spool

import (
	"errors"
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of linux/falloc.h: the space belongs to the file, its size stays.
const keepSize = 1

// allocate gives a file its disk space ahead, so that a disk that fills up is found out before there is something to
// write. File systems that can't do it are left alone.
func allocate(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return nil
		default:
			return err
		}
	}
}
