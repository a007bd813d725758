// Package promises_test holds what Headgate promises about streams and providers (S1 to S8) and about usage (U1 to U3),
// against the binary, and knows where the other promises' tests are: each promise has a test that can fail, and `make
// promises` prints one table of them.
//
// HEADGATE_SEED repeats a run; without it a seed is drawn and printed. HEADGATE_PROMISES=long runs the full numbers, short
// the short form; both hold times to what is promised. Unset, in a plain `go test` beside everything else, the machine may
// be late: times may be three times as long.
package promises_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// The size and the seed of this run.
var (
	long  = os.Getenv("HEADGATE_PROMISES") == "long"
	alone = os.Getenv("HEADGATE_PROMISES") != ""
	seed  = theSeed()
)

func TestMain(m *testing.M) {
	if os.Getenv("HEADGATE_PROMISES") == "none" {
		fmt.Println("the promises are left out: HEADGATE_PROMISES=none")
		return
	}
	fmt.Printf("HEADGATE_SEED=%d\n", seed)
	code := m.Run()
	mesh.Cleanup()
	book.print(os.Stdout)
	os.Exit(code)
}

func theSeed() uint64 {
	text := os.Getenv("HEADGATE_SEED")
	if text == "" {
		return rand.Uint64N(1_000_000_000)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "HEADGATE_SEED must be a number")
		os.Exit(2)
	}
	return n
}

// size chooses between the short and the full form.
func size[T any](short, full T) T {
	if long {
		return full
	}
	return short
}

// patient is a promised time, or three times that where other tests share the machine.
func patient(d time.Duration) time.Duration {
	if alone {
		return d
	}
	return 3 * d
}

// chance is the randomness of one thing: the same for the same seed, whatever else happens.
func chance(name string, n, m int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", seed, name, n)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(m)))
}

// within waits until something holds; false where it doesn't in time.
func within(d time.Duration, f func() bool) bool {
	for deadline := time.Now().Add(d); !f(); {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(5 * time.Millisecond)
	}
	return true
}
