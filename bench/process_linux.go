package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cpu is the processor time that a process has used, user and system together. It asks the process's own clock, which
// counts nanoseconds, where /proc/PID/stat counts hundredths of a second.
func cpu(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED in the kernel's posix-timers.h: all time that the process ran
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|scheduled), uintptr(unsafe.Pointer(&t)), 0) //nolint:gosec // the standard library has no call for it
	if errno != 0 {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

// memory is the resident memory of a process in bytes.
func memory(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, fmt.Errorf("reading the memory of process %d: %q", pid, data)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
