//go:build !linux

package spool_test

func limited(string) error { return nil }
