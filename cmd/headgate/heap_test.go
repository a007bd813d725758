package main

import "testing"

// TestHeapFloor: whoever sets the garbage collector up isn't meddled with.
func TestHeapFloor(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"": floor, "GOGC": 0, "GOMEMLIMIT": 0} {
		got := heapFloor(func(asked string) (string, bool) { return "100", asked == name })
		if len(got) != want {
			t.Errorf("with %q set: %d bytes", name, len(got))
		}
	}
}
