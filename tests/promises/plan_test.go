package promises_test

import (
	"fmt"
	"math/rand/v2"
)

// how is what happens to one attempt's answer.
type how string

const (
	healthy  how = "healthy"
	eof      how = "eof"      // the body ends properly, too early
	fin      how = "fin"      // the connection is closed within the body
	reset    how = "reset"    // the connection is reset
	stall    how = "stall"    // nothing more comes until somebody leaves
	corrupt  how = "corrupt"  // a byte of the body is another one
	wire     how = "wire"     // a byte of the response is, its head and its chunks' lengths included
	status   how = "status"   // an error in place of an answer
	failsMid how = "failsMid" // the provider's own error event in the middle
)

var hows = []how{healthy, eof, eof, fin, reset, reset, stall, corrupt, wire, status, failsMid}

// plan is what one attempt of a round is going to get.
type plan struct {
	how how
	// at is where, as a share of the stream.
	at float64
	// edge moves the place to the next end of a frame, and so many bytes less one into its line breaks; 0 leaves it.
	edge int
	// flip is what is done to a byte.
	flip byte
	// pieces is the size of the provider's writes; 0 writes all at once.
	pieces int
	// script is how the simulator words it.
	script string
}

// planOf is the fate of an attempt: the seed's, so that a round can be repeated by itself.
func planOf(round, attempt int) plan {
	r := chance("plan", round, attempt)
	p := plan{how: hows[r.IntN(len(hows))], at: r.Float64(), flip: byte(1 + r.IntN(255)), script: wording(r)}
	if r.IntN(8) == 0 {
		p.at = 1 - r.Float64()*0.03 // where the ends of streams are
	}
	if r.IntN(3) == 0 {
		p.edge = 1 + r.IntN(5)
	}
	if r.IntN(3) == 0 {
		p.pieces = 1 + r.IntN(700)
	}
	if p.how == failsMid {
		p.script += fmt.Sprintf(",error=%d", r.IntN(20))
	}
	return p
}

func wording(r *rand.Rand) string {
	script := fmt.Sprintf("chunks=%d", 1+r.IntN(30))
	if r.IntN(20) == 0 {
		script = fmt.Sprintf("chunks=3,chunk_bytes=%d", 1+r.IntN(90_000))
	}
	for _, word := range []string{"crlf", "comments", "obfuscation", "finish"} {
		if r.IntN(5) == 0 {
			script += "," + word
		}
	}
	return script
}
