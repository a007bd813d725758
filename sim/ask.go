package sim

import "encoding/json"

// ask is what a request wants, whichever vendor it was sent to.
type ask struct {
	model    Model
	stream   bool
	choices  int
	user     string // text of the last user turn
	result   string // text of the tool results that the last turn brings
	answered bool   // the last turn brings tool results
	prompt   prompt

	maxTokens int // never when there's no limit
	stops     []string
	thinking  thinking
	effort    string // OpenAI's reasoning_effort, of a reasoning model

	tools []tool
	pick  pick

	schema json.RawMessage // the answer is JSON that satisfies it; nil when the answer is prose

	withUsage, obfuscate bool // OpenAI's stream_options
	eachUsage            bool // vLLM's: the usage so far in every chunk

	lax bool // not the vendor's own server: it checks less
}

// thinking is Anthropic's extended thinking.
type thinking struct {
	on, omitted bool
	budgeted    bool // with a budget of its own, which rules out a forced call
}

// tool is a function the model may call.
type tool struct {
	name   string
	schema json.RawMessage
}

// pick is the tool choice: how many of which tools must, may or mustn't be called.
type pick struct {
	must, mustNot bool
	name          string // the one to call
	single        bool   // not two at once
}

// prompt counts the input.
type prompt struct {
	tokens int  // all of it
	cached int  // how much of it is marked for caching
	hour   bool // the mark asks for an hour rather than five minutes
}

// add counts a text.
func (p *prompt) add(s string) { p.tokens += tokens(s) }

// mark says that all input so far is to be cached.
func (p *prompt) mark(hour bool) { p.cached, p.hour = p.tokens, hour }

// Flat prices, in tokens, of what isn't text.
const (
	perTurn  = 4
	perMedia = 85
)
