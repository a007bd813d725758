package promises_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// upstream is a provider of both vendors' dialects whose behaviour a test writes itself; the time of everything is kept.
type upstream struct {
	// play answers; n counts the attempts of the round, from 1.
	play func(w *voice, round, n int)

	mu     sync.Mutex
	counts map[int]int
}

// voice says something to one request.
type voice struct {
	http.ResponseWriter

	req *http.Request
	// model is what was asked; stream says how; arrived when.
	model   string
	stream  bool
	arrived time.Time
	begun   bool
}

func newUpstream(play func(w *voice, round, n int)) *upstream {
	return &upstream{play: play, counts: map[int]int{}}
}

// ServeHTTP implements http.Handler.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(r.Body)
	round, ok := roundIn(body)
	if err != nil || !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var asked struct {
		Model  string
		Stream bool
	}
	_ = json.Unmarshal(body, &asked)
	u.mu.Lock()
	u.counts[round]++
	n := u.counts[round]
	u.mu.Unlock()
	u.play(&voice{ResponseWriter: w, req: r, model: asked.Model, stream: asked.Stream, arrived: now}, round, n)
}

// attempts are the requests of each round that came; it forgets them.
func (u *upstream) attempts() map[int]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	counts := u.counts
	u.counts = map[int]int{}
	return counts
}

// of is how many requests of one round came.
func (u *upstream) of(round int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts[round]
}

func (v *voice) anthropic() bool { return bytes.HasSuffix([]byte(v.req.URL.Path), []byte("/messages")) }

// begin sends the head of a stream and what comes before the first content.
func (v *voice) begin() {
	v.begun = true
	v.Header().Set("Content-Type", "text/event-stream")
	if v.anthropic() {
		v.send("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n" +
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
		return
	}
	v.send(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n")
}

// say sends some content; it returns false when nobody listens.
func (v *voice) say(text string) bool {
	if !v.begun {
		v.begin()
	}
	if v.anthropic() {
		return v.send(fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%q}}\n\n", text))
	}
	return v.send(fmt.Sprintf(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", text))
}

// end completes the stream.
func (v *voice) end() {
	if v.anthropic() {
		v.send("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		return
	}
	v.send(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
}

// answer is a whole answer, as it was asked for.
func (v *voice) answer(text string) {
	switch {
	case v.stream:
		v.say(text)
		v.end()
	case v.anthropic():
		v.json(http.StatusOK, fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":%q}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}`, text))
	default:
		v.json(http.StatusOK, fmt.Sprintf(`{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, text))
	}
}

// refuse answers with an error, and headers in pairs.
func (v *voice) refuse(status int, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		v.Header().Set(headers[i], headers[i+1])
	}
	v.json(status, `{"type":"error","error":{"type":"api_error","message":"not now","code":null}}`)
}

func (v *voice) json(status int, body string) {
	v.Header().Set("Content-Type", "application/json")
	v.WriteHeader(status)
	_, _ = io.WriteString(v, body)
}

func (v *voice) send(text string) bool {
	if _, err := io.WriteString(v, text); err != nil {
		return false
	}
	return http.NewResponseController(v.ResponseWriter).Flush() == nil
}

// gone waits until nobody listens any more, and returns when that was.
func (v *voice) gone(atMost time.Duration) time.Time {
	select {
	case <-v.req.Context().Done():
	case <-time.After(atMost):
	}
	return time.Now()
}
