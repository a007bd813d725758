package sim

// never is the N of a fault that doesn't happen.
const never = -1

// plan is a script, read: what will happen to one answer.
type plan struct {
	shape
	faults
	job   jobWords // what happens to a batch
	times int      // the faults apply to the first so many requests alike; 0 means to all
}

// shape is how an answer that succeeds is delivered.
type shape struct {
	headerDelay, ttft, chunkDelay pause
	slow                          bool
	dribble                       pause
	chunks, chunkBytes, split     int
	crlf, comments                bool
	padding, obfuscation          bool
	cache                         string
	tight                         bool   // no space behind data:
	reasoning                     string // the member of vLLM's that carries thoughts
	finish                        bool   // TGI: a streamed tool call has a finish_reason
	running, waiting              int    // what the metrics say; never: the truth
	kvCache                       float64
}

// faults is what goes wrong.
type faults struct {
	status                                int
	code                                  string
	retryAfter, retryAfterMS, shouldRetry string

	cut, cutBytes, reset, resetBytes, stall, malformed, failAt int

	noTerminal, refuse, empty, early, hang, abort, overloaded, flat bool

	garbage string
}

// newPlan is the plan of the empty script.
func newPlan() plan {
	return plan{shape: shape{padding: true, reasoning: "reasoning", running: never, waiting: never, kvCache: never}, faults: noFaults(), job: usualJob()}
}

func noFaults() faults {
	return faults{cut: never, cutBytes: never, reset: never, resetBytes: never, stall: never, malformed: never, failAt: never}
}

// whole tells whether nothing is going to break the body, so that its length can be announced.
func (f *faults) whole() bool {
	return f.cut < 0 && f.cutBytes < 0 && f.reset < 0 && f.resetBytes < 0 && f.stall < 0 && f.malformed < 0
}
