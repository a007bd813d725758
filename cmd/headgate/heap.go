package main

// floor is how much memory the heap holds from the start.
const floor = 16 << 20

// heapFloor returns memory that is never touched, so that it takes none, but counts when the garbage collector decides
// how much may come together before it runs: the same again as there is. A gateway that is at rest holds a megabyte or two,
// and would collect thirty times a second under load; docs/decisions/0005-garbage.md has the figures. Whoever sets GOGC
// or GOMEMLIMIT knows better. The caller keeps it alive.
func heapFloor(lookup func(string) (string, bool)) []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if v, ok := lookup(name); ok && v != "" {
			return nil
		}
	}
	return make([]byte, floor)
}
