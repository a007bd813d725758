package sim

import "strconv"

// usage is the bill of an answer, vendor-neutral: input is all of the prompt, read and write are parts of it.
type usage struct {
	input, read, write int
	hour               bool
	output, thought    int
	batch              bool // at the price of a batch
}

// usage adds the answers up. What is marked for caching was read from the cache, or written when the script says so;
// cache=read without any mark takes half of the prompt.
func (a *ask) usage(p *plan, answers []answer) usage {
	u := usage{input: a.prompt.tokens, hour: a.prompt.hour}
	cached := a.prompt.cached
	if cached == 0 && p.cache != "" {
		cached = a.prompt.tokens / 2
	}
	if p.cache == "write" {
		u.write = cached
	} else {
		u.read = cached
	}
	for i := range answers {
		u.output += answers[i].out
		u.thought += answers[i].thought()
	}
	return u
}

// openAI is the usage object of a chat completion: cached tokens are part of the prompt, reasoning of the completion.
func (u usage) openAI() []byte {
	b := make([]byte, 0, 320)
	b = field(b, `{"prompt_tokens":`, u.input)
	b = field(b, `,"completion_tokens":`, u.output)
	b = field(b, `,"total_tokens":`, u.input+u.output)
	b = field(b, `,"prompt_tokens_details":{"cached_tokens":`, u.read)
	b = field(b, `,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":`, u.thought)
	return append(b, `,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}

// message is the usage object of a whole message: input_tokens leaves out what the cache read and wrote. A message
// that only starts says one output token.
func (u usage) message() []byte {
	five, hour := u.write, 0
	if u.hour {
		five, hour = 0, u.write
	}
	b := u.input3(make([]byte, 0, 360))
	b = field(b, `,"cache_creation":{"ephemeral_5m_input_tokens":`, five)
	b = field(b, `,"ephemeral_1h_input_tokens":`, hour)
	b = field(b, `},"output_tokens":`, u.output)
	b = field(b, `,"output_tokens_details":{"thinking_tokens":`, u.thought)
	tier := "standard"
	if u.batch {
		tier = "batch"
	}
	b = append(append(b, `},"server_tool_use":null,"service_tier":"`...), tier...)
	return append(b, `","inference_geo":"not_available"}`...)
}

// vllmMessage is the usage object of vLLM's messages, whole and at the end of a stream.
func (u usage) vllmMessage() []byte {
	return append(field(field(nil, `{"input_tokens":`, u.input), `,"output_tokens":`, u.output), '}')
}

// delta is the cumulative usage object at the end of a stream.
func (u usage) delta() []byte {
	b := u.input3(make([]byte, 0, 240))
	b = field(b, `,"output_tokens":`, u.output)
	b = field(b, `,"output_tokens_details":{"thinking_tokens":`, u.thought)
	return append(b, `}}`...)
}

// input3 opens the object with the three parts of the input.
func (u usage) input3(b []byte) []byte {
	b = field(b, `{"input_tokens":`, u.input-u.read-u.write)
	b = field(b, `,"cache_creation_input_tokens":`, u.write)
	return field(b, `,"cache_read_input_tokens":`, u.read)
}

// field appends text and a number.
func field(b []byte, text string, n int) []byte {
	return strconv.AppendInt(append(b, text...), int64(n), 10)
}
