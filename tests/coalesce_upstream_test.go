package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// repeater is an upstream that plays both vendors. It answers each question with the question and how often it was asked
// until then, after a while, and keeps count.
type repeater struct {
	// behave says what becomes of the nth call of a question, the first one being 1.
	behave func(question string, n int) manner

	mu    sync.Mutex
	asked map[string]int
	when  map[string][]time.Time
	// left counts the calls whose caller went away.
	left map[string]int
}

// warm begins the questions that are answered at once.
const warm = "warm "

// manner is how one call is answered.
type manner struct {
	after time.Duration
	// status replaces the answer where it isn't 0; cut ends it before its end; padding makes it longer.
	status  int
	cut     bool
	padding int
}

func newRepeater(behave func(question string, n int) manner) *repeater {
	return &repeater{behave: behave, asked: make(map[string]int), when: make(map[string][]time.Time), left: make(map[string]int)}
}

// always behaves in the same way.
func always(m manner) func(string, int) manner { return func(string, int) manner { return m } }

// count is how often a question was asked.
func (e *repeater) count(question string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked[question]
}

// gone is how many of those that asked a question left.
func (e *repeater) gone(question string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left[question]
}

// times are when a question was asked.
func (e *repeater) times(question string) []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]time.Time(nil), e.when[question]...)
}

// ServeHTTP implements http.Handler.
func (e *repeater) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Stream   bool
		Messages []struct{ Content string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Messages) != 1 {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	question := body.Messages[0].Content
	n := e.note(question)
	m := e.behave(question, n)
	if strings.HasPrefix(question, warm) {
		m = manner{}
	}
	if !e.wait(r.Context(), question, m.after) {
		return
	}
	text := fmt.Sprintf("answer %d to %s%s", n, question, strings.Repeat(".", m.padding))
	vendor := spokenOpenAI
	if strings.HasSuffix(r.URL.Path, "/messages") {
		vendor = spokenAnthropic
	}
	switch {
	case m.status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(m.status)
		fmt.Fprint(w, `{"type":"error","error":{"type":"api_error","message":"no"}}`)
	case body.Stream:
		w.Header().Set("Content-Type", "text/event-stream")
		frames := vendor.frames(text)
		if m.cut {
			frames = frames[:len(frames)-2]
		}
		fmt.Fprint(w, strings.Join(frames, "\n\n")+"\n\n")
	case m.cut:
		w.Header().Set("Content-Length", "1000000")
		fmt.Fprint(w, "{")
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, vendor.whole(text))
	}
}

func (e *repeater) note(question string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked[question]++
	e.when[question] = append(e.when[question], time.Now())
	return e.asked[question]
}

func (e *repeater) wait(ctx context.Context, question string, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		e.left[question]++
		return false
	}
}

// spoken is how a vendor says a text.
type spoken struct {
	whole  func(text string) string
	frames func(text string) []string
}

var spokenOpenAI = spoken{
	whole: func(text string) string {
		return fmt.Sprintf(`{"id":"c","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, text)
	},
	frames: func(text string) []string {
		const frame = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}`
		return []string{
			fmt.Sprintf(frame, `"role":"assistant","content":""`, "null"), fmt.Sprintf(frame, fmt.Sprintf(`"content":%q`, text), "null"),
			fmt.Sprintf(frame, "", `"stop"`),
			`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
			"data: [DONE]",
		}
	},
}

var spokenAnthropic = spoken{
	whole: func(text string) string {
		return fmt.Sprintf(`{"id":"m","type":"message","role":"assistant","model":"claude-opus-4-6","content":[{"type":"text","text":%q}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}`, text)
	},
	frames: func(text string) []string {
		frame := func(event, data string) string {
			return "event: " + event + "\ndata: {\"type\":\"" + event + "\"" + data + "}"
		}
		return []string{
			frame("message_start", `,"message":{"id":"m","type":"message","role":"assistant","model":"claude-opus-4-6","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}`),
			frame("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
			frame("content_block_delta", fmt.Sprintf(`,"index":0,"delta":{"type":"text_delta","text":%q}`, text)),
			frame("content_block_stop", `,"index":0`),
			frame("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}`),
			frame("message_stop", ""),
		}
	},
}
