package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"
)

// profile writes a CPU profile of Headgate under one more window of each fast scenario. These windows aren't counted:
// profiling costs time.
func (l *lab) profile(ctx context.Context, o options) error {
	f, err := os.Create(o.profile)
	if err != nil {
		return err
	}
	defer f.Close()
	scenarios := fastScenarios(o)
	length := time.Duration(len(scenarios)) * (o.window + settle)
	done := make(chan error, 1)
	go func() {
		done <- get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", l.ops, int(math.Ceil(length.Seconds()))), f)
	}()
	for _, s := range scenarios {
		l.window(ctx, gate, s, o.window)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("profiling Headgate: %w", err)
	}
	return nil
}
