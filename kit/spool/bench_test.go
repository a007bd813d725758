package spool_test

import (
	"bytes"
	"testing"

	"github.com/headgate-mesh/headgate/kit/spool"
)

func BenchmarkAppend(b *testing.B) {
	for _, bench := range []struct {
		name     string
		parallel bool
	}{{"alone", false}, {"together", true}} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := spool.Open(b.TempDir(), spool.Options{MaxBytes: 1 << 40})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			record := bytes.Repeat([]byte("x"), 400)
			b.ReportAllocs()
			if !bench.parallel {
				for b.Loop() {
					if err := s.Append(record); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Append(record); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkRoom(b *testing.B) {
	s, err := spool.Open(b.TempDir(), spool.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		_ = s.Room()
	}
}
