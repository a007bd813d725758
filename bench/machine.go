package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// describe tells on what, with what and how is measured: a table without this says nothing.
func describe(o options) (string, error) {
	sum, err := checksum(o.headgate)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d cores, %s %s/%s, GOMAXPROCS %d, load average before the run %s; headgate binary sha256 %.12s\n\n"+
		"%s; %s dialect, rounds interleaved: %d of %s, slow streams %d; each figure: median (lowest to highest of the rounds)\n\n",
		processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), loadAverage(), sum,
		arrangement(o), o.dialect.name, o.rounds, o.window, o.slowRounds), nil
}

// arrangement tells what Headgate does for each request, and in how many processes.
func arrangement(o options) string {
	text := "headgate all"
	if o.split {
		text = fmt.Sprintf("headgate in %d processes", len(apart))
	}
	if !o.governed {
		return text + ", the administrator's key"
	}
	return fmt.Sprintf("%s, %d clients' keys with limits and books", text, o.keys)
}

func checksum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("the headgate binary (make build): %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading the headgate binary: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// processor is the CPU's name.
func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo") // empty where there is none
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":"))
		}
	}
	return runtime.GOARCH
}

// loadAverage is that of the last minute: well above 0 before the run means that other work takes part.
func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	if first, _, ok := strings.Cut(string(data), " "); ok {
		return first
	}
	return "unknown"
}
