package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// simulated are the models behind each kind of provider. Thoughts are shown with the vendor's seal (signed) or without
// (open), or not at all.
var simulated = []struct {
	model, thoughts string
	parallel        bool
}{
	{"gpt-5", "", true},
	{"claude-opus-4-6", "signed", true},
	{"vllm/qwen3-8b", "open", true},
	{"native/qwen3-8b", "open", true}, // vLLM, asked in Anthropic's dialect where the client speaks that
	{"tgi/tgi", "", false},
}

// edges are the ways in.
var edges = map[string]func(t *testing.T, m *mesh.Mesh) talk{
	"openai":    func(_ *testing.T, m *mesh.Mesh) talk { return &openAITalk{m: m} },
	"anthropic": func(_ *testing.T, m *mesh.Mesh) talk { return &anthropicTalk{m: m} },
	"typed": func(t *testing.T, m *mesh.Mesh) talk {
		return &typedTalk{r: routerv1.NewRouterServiceClient(dialGRPC(t, m))}
	},
}

// talk is a conversation over one edge, held by a client that sends back what it got.
type talk interface {
	user(text string)
	results(calls []called, texts []string)
	// ask gets the model's next turn and makes it part of the conversation.
	ask(t *testing.T, model string, o asking) said
}

// asking is how to ask.
type asking struct {
	stream, think bool
	tools         []string // of toolSchemas
}

// said is one answer, in no dialect.
type said struct {
	text, thoughts, finish string
	signed                 bool
	calls                  []called
	in, out                int64
}

type called struct{ id, name, args string }

var toolSchemas = map[string]string{
	"weather": `{"type":"object","properties":{"city":{"type":"string"},"at":{"type":"object","properties":{"hour":{"type":"integer"},"zone":{"type":"string","enum":["UTC","CET"]}},"required":["hour","zone"]}},"required":["city","at"]}`,
	"clock":   `{"type":"object","properties":{"zone":{"type":"string","enum":["UTC","CET"]}},"required":["zone"]}`,
	"now":     `{"type":"object","properties":{}}`,
}

// toolArgs is what the simulator makes of them.
var toolArgs = map[string]string{
	"weather": `{"city":"sample city","at":{"hour":1,"zone":"UTC"}}`, "clock": `{"zone":"UTC"}`, "now": `{}`,
}

func crossMesh(t *testing.T) *mesh.Mesh {
	t.Helper()
	s, err := sim.New(sim.Config{Keys: []string{mesh.ProviderKey}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return mesh.Start(t, mesh.Options{Extra: fmt.Sprintf("  native: {kind: vllm, messages_api: true, api_key: %q, endpoints: [\"%s/vllm\"]}\n", mesh.ProviderKey, server.URL)})
}

// TestEveryEdgeEveryProvider: whoever asks and whoever answers, text, calls, thoughts and usage are all there, and a
// stream says what the whole answer says.
func TestEveryEdgeEveryProvider(t *testing.T) {
	t.Parallel()
	m := crossMesh(t)
	for edge, open := range edges {
		for _, target := range simulated {
			t.Run(edge+"/"+target.model, func(t *testing.T) {
				t.Parallel()
				ask := func(text string, o asking) said {
					t.Helper()
					whole := open(t, m)
					whole.user(text)
					answer := whole.ask(t, target.model, o)
					streamed := open(t, m)
					streamed.user(text)
					o.stream = true
					checkSame(t, streamed.ask(t, target.model, o), answer)
					return answer
				}
				if a := ask("Explain RAG", asking{}); !strings.Contains(a.text, `You said "Explain RAG"`) || a.finish != "stop" || a.in < 2 || a.out < 20 || len(a.calls) > 0 {
					t.Errorf("text: %+v", a)
				}
				if a := ask("Explain RAG", asking{think: true}); (a.thoughts != "") != (target.thoughts != "") || a.signed != (target.thoughts == "signed") || a.finish != "stop" {
					t.Errorf("reasoning: %+v", a)
				}
				checkCalls(t, ask("Please use tool weather", asking{tools: []string{"clock", "weather"}}), "weather")
				checkCalls(t, ask("Please use tool now", asking{tools: []string{"now"}}), "now")
				checkCalls(t, ask("Please use tool clock", asking{tools: []string{"clock"}, think: true}), "clock")
				if target.parallel {
					checkCalls(t, ask("Please use tools", asking{tools: []string{"weather", "clock"}}), "weather", "clock")
				}
			})
		}
	}
}

func checkSame(t *testing.T, streamed, whole said) {
	t.Helper()
	bare := func(s said) said {
		s.calls = slices.Clone(s.calls)
		for i := range s.calls {
			s.calls[i].id = "" // minted by the one who needs it
		}
		return s
	}
	if got, want := fmt.Sprintf("%+v", bare(streamed)), fmt.Sprintf("%+v", bare(whole)); got != want {
		t.Errorf("the stream says\n%s, the whole answer\n%s", got, want)
	}
}

func checkCalls(t *testing.T, a said, names ...string) {
	t.Helper()
	if a.finish != "tools" || len(a.calls) != len(names) {
		t.Errorf("%v: %+v", names, a)
		return
	}
	ids := make(map[string]bool)
	for i, name := range names {
		c := a.calls[i]
		if c.name != name || c.args != toolArgs[name] || c.id == "" || ids[c.id] {
			t.Errorf("call %d is %+v, want %s of %s", i, c, toolArgs[name], name)
		}
		ids[c.id] = true
	}
}

// TestConversationMovesBetweenProviders: the provider is another one at every turn, and each gets all that was said
// before: in its order, calls and results paired, arguments as they were, thoughts where it takes them.
func TestConversationMovesBetweenProviders(t *testing.T) {
	t.Parallel()
	gpt, claude, vllm, tgi := "gpt-5", "claude-opus-4-6", "vllm/qwen3-8b", "tgi/tgi"
	for _, journey := range [][]string{{gpt, claude, vllm, tgi}, {claude, tgi, claude, gpt, vllm}, {vllm, claude, vllm, gpt, claude, tgi}} {
		for edge, open := range edges {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%v", strings.ReplaceAll(strings.Join(journey, ","), "/", "_"), edge, stream), func(t *testing.T) {
					t.Parallel()
					m := mesh.Start(t, mesh.Options{})
					j := &travel{talk: open(t, m), m: m, o: asking{stream: stream, think: true, tools: []string{"weather", "clock"}}}
					for i, model := range journey {
						j.leg(t, i, model, journey[(i+1)%len(journey)])
					}
				})
			}
		}
	}
}

// travel is a conversation on its way, with what was said in it so far.
type travel struct {
	talk
	m   *mesh.Mesh
	o   asking
	log []saying
}

// saying is one step of a conversation, as a provider has to get it.
type saying struct {
	kind, text string // user, think, say, call, result
	id         string // of a call, or of the call that a result answers
}

// leg lets one model call tools and the next one go on with the results.
func (j *travel) leg(t *testing.T, i int, model, next string) {
	t.Helper()
	want := []string{"weather", "clock"}
	text := fmt.Sprintf("Please use tools weather and clock, %d", i)
	if model == "tgi/tgi" {
		want, text = want[:1], fmt.Sprintf("Please use tool weather, %d", i)
	}
	j.user(text)
	j.log = append(j.log, saying{kind: "user", text: text})
	a := j.hear(t, model)
	checkCalls(t, a, want...)
	var texts []string
	for _, c := range a.calls {
		texts = append(texts, fmt.Sprintf("%s says %d", c.name, i))
		j.log = append(j.log, saying{kind: "result", text: texts[len(texts)-1]})
	}
	j.results(a.calls, texts)
	if a := j.hear(t, next); !strings.Contains(a.text, "The tool answered") || !strings.Contains(a.text, texts[len(texts)-1]) {
		t.Errorf("%s says %+v", next, a)
	}
}

// hear asks a model, and checks what its provider got.
func (j *travel) hear(t *testing.T, model string) said {
	t.Helper()
	a := j.ask(t, model, j.o)
	if a.in == 0 || a.out == 0 {
		t.Errorf("%s: usage %d in, %d out", model, a.in, a.out)
	}
	j.arrived(t, model, lastAsked(t, j.m.Sim))
	if a.thoughts != "" {
		kind := "think"
		if a.signed {
			kind = "sealed"
		}
		j.log = append(j.log, saying{kind: kind, text: a.thoughts})
	}
	if a.text != "" {
		j.log = append(j.log, saying{kind: "say", text: a.text})
	}
	for _, c := range a.calls {
		j.log = append(j.log, saying{kind: "call", text: c.name + c.args})
	}
	return a
}

// lastAsked is the last request for an answer: metrics are asked for in between.
func lastAsked(t *testing.T, s *sim.Sim) sim.Request {
	t.Helper()
	for _, r := range slices.Backward(s.Requests()) {
		if r.Method == http.MethodPost {
			return r
		}
	}
	t.Fatal("nobody was asked")
	return sim.Request{}
}

// arrived compares what a provider got with what was said.
func (j *travel) arrived(t *testing.T, model string, r sim.Request) {
	t.Helper()
	read := readOpenAI
	if model == "claude-opus-4-6" {
		read = readAnthropic
	}
	got := read(t, r.Body)
	pair(t, model, got)
	var want []saying
	for _, s := range j.log {
		switch {
		case s.kind == "sealed" && model == "claude-opus-4-6", strings.HasPrefix(model, "vllm/") && (s.kind == "sealed" || s.kind == "think"):
			s.kind = "think"
		case s.kind == "sealed", s.kind == "think":
			continue
		}
		want = append(want, s)
	}
	for i := range got {
		got[i].id = ""
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s got\n%s, want\n%s", model, list(got), list(want))
	}
}

func list(s []saying) string {
	var b strings.Builder
	for _, one := range s {
		fmt.Fprintf(&b, "  %s %.60s\n", one.kind, one.text)
	}
	return b.String()
}

// pair checks that results follow their calls, each once, and that no two calls share an id.
func pair(t *testing.T, model string, got []saying) {
	t.Helper()
	open, seen := []string{}, map[string]bool{}
	for _, s := range got {
		switch s.kind {
		case "call":
			if s.id == "" || seen[s.id] {
				t.Errorf("%s: the id %q stands for two calls", model, s.id)
			}
			seen[s.id] = true
			open = append(open, s.id)
		case "result":
			if len(open) == 0 || open[0] != s.id {
				t.Errorf("%s: a result for %q, open are %q", model, s.id, open)
				continue
			}
			open = open[1:]
		}
	}
}

// readOpenAI reads what a provider of OpenAI's dialect got.
func readOpenAI(t *testing.T, body []byte) (all []saying) {
	t.Helper()
	var in struct{ Messages []openAIMessage }
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	for _, m := range in.Messages {
		content := flat(m.Content)
		switch m.Role {
		case "user":
			all = append(all, saying{kind: "user", text: content})
		case "tool":
			all = append(all, saying{"result", content, m.ToolCallID})
		case "assistant":
			if m.Reasoning != "" {
				all = append(all, saying{kind: "think", text: m.Reasoning})
			}
			if content != "" {
				all = append(all, saying{kind: "say", text: content})
			}
			for _, c := range m.ToolCalls {
				all = append(all, saying{"call", c.Function.Name + c.Function.Arguments, c.ID})
			}
		}
	}
	return all
}

// flat is the text of a content: a string, or parts of text.
func flat(content json.RawMessage) string {
	var text string
	var parts []struct{ Text string }
	if json.Unmarshal(content, &text) == nil || json.Unmarshal(content, &parts) != nil {
		return text
	}
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// readAnthropic reads what Anthropic got.
func readAnthropic(t *testing.T, body []byte) (all []saying) {
	t.Helper()
	var in struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	for _, m := range in.Messages {
		kind := map[string]string{"user": "user", "assistant": "say"}[m.Role]
		var blocks []anthropicBlock
		if json.Unmarshal(m.Content, &blocks) != nil {
			all = append(all, saying{kind: kind, text: flat(m.Content)})
		}
		for _, b := range blocks {
			switch b.Type {
			case "text":
				all = append(all, saying{kind: kind, text: b.Text})
			case "thinking":
				all = append(all, saying{kind: "think", text: b.Thinking})
			case "tool_use":
				all = append(all, saying{"call", b.Name + string(b.Input), b.ID})
			case "tool_result":
				all = append(all, saying{"result", flat(b.Content), b.ToolUseID})
			}
		}
	}
	return all
}

type openAIMessage struct {
	Role             string           `json:"role,omitempty"`
	Content          json.RawMessage  `json:"content"`
	Reasoning        string           `json:"reasoning,omitempty"`
	ReasoningDetails []map[string]any `json:"reasoning_details,omitempty"`
	ToolCallID       string           `json:"tool_call_id,omitempty"`
	ToolCalls        []openAICall     `json:"tool_calls,omitempty"`
}

type openAICall struct {
	Index    int    `json:"index"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type anthropicBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	Thinking  string          `json:"thinking,omitempty"`
	Signature string          `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"`
}

// openAITalk speaks OpenAI's dialect, strictly.
type openAITalk struct {
	m        *mesh.Mesh
	messages []openAIMessage
}

func quoted(text string) json.RawMessage {
	b, _ := json.Marshal(text)
	return b
}

func (c *openAITalk) user(text string) {
	c.messages = append(c.messages, openAIMessage{Role: "user", Content: quoted(text)})
}

func (c *openAITalk) results(calls []called, texts []string) {
	for i, call := range calls {
		c.messages = append(c.messages, openAIMessage{Role: "tool", ToolCallID: call.id, Content: quoted(texts[i])})
	}
}

type openAIAnswer struct {
	ID      string
	Choices []struct {
		Message, Delta openAIMessage
		FinishReason   string `json:"finish_reason"`
	}
	Usage *struct {
		In  int64 `json:"prompt_tokens"`
		Out int64 `json:"completion_tokens"`
	}
	Error json.RawMessage
}

func (c *openAITalk) ask(t *testing.T, model string, o asking) said {
	t.Helper()
	in := map[string]any{"model": model, "messages": c.messages, "stream": o.stream}
	if o.stream {
		in["stream_options"] = map[string]bool{"include_usage": true}
	}
	if o.think {
		in["reasoning_effort"] = "low"
	}
	var tools []any
	for _, name := range o.tools {
		tools = append(tools, map[string]any{"type": "function", "function": map[string]any{"name": name, "parameters": json.RawMessage(toolSchemas[name])}})
	}
	if tools != nil {
		in["tools"] = tools
	}
	body := postJSON(t, c.m, "/v1/chat/completions", in)
	if o.stream {
		return c.gather(t, body)
	}
	var a openAIAnswer
	if err := json.Unmarshal(body, &a); err != nil || len(a.Choices) != 1 || a.Usage == nil || a.ID == "" {
		t.Fatalf("%v in %s", err, body)
	}
	return c.heard(a.Choices[0].Message, a.Choices[0].FinishReason, a.Usage.In, a.Usage.Out)
}

func postJSON(t *testing.T, m *mesh.Mesh, path string, in any) []byte {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	status, got, err := post(m, path, string(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %v %s", path, status, err, got)
	}
	return got
}

// gather puts a stream together: one id, the role once, the id and name of a call once, one finish_reason, the usage
// in a chunk of its own, and [DONE].
func (c *openAITalk) gather(t *testing.T, body []byte) said {
	t.Helper()
	list := frames(t, body)
	if last := list[len(list)-1]; last.data != "[DONE]" {
		t.Fatalf("the stream ends with %s", last.data)
	}
	var m openAIMessage
	var id, text, finish string
	var usage *openAIAnswer
	for _, f := range list[:len(list)-1] {
		var a openAIAnswer
		if err := json.Unmarshal([]byte(f.data), &a); err != nil || a.Error != nil || usage != nil || a.ID == "" || id != "" && a.ID != id {
			t.Fatalf("%v: an odd chunk: %s", err, f.data)
		}
		if id = a.ID; a.Usage != nil {
			usage = &a
		}
		for _, choice := range a.Choices {
			d := choice.Delta
			if d.Role != "" && m.Role != "" || finish != "" {
				t.Errorf("twice, or behind the end: %s", f.data)
			}
			m.Role += d.Role
			text += flat(d.Content)
			m.Reasoning += d.Reasoning
			m.ReasoningDetails = append(m.ReasoningDetails, d.ReasoningDetails...)
			m.ToolCalls = gatherCalls(t, m.ToolCalls, d.ToolCalls)
			finish = choice.FinishReason
		}
	}
	if usage == nil || m.Role != "assistant" {
		t.Fatalf("no usage or no role in\n%s", body)
	}
	m.Content = quoted(text)
	return c.heard(m, finish, usage.Usage.In, usage.Usage.Out)
}

func gatherCalls(t *testing.T, all, deltas []openAICall) []openAICall {
	t.Helper()
	for _, d := range deltas {
		switch {
		case d.Index == len(all) && d.ID != "" && d.Type == "function" && d.Function.Name != "":
			all = append(all, d)
		case d.Index < len(all) && d.ID == "" && d.Function.Name == "":
			all[d.Index].Function.Arguments += d.Function.Arguments
		default:
			t.Errorf("an odd delta of a call: %+v", d)
		}
	}
	return all
}

func (c *openAITalk) heard(m openAIMessage, finish string, in, out int64) said {
	m.Role = "assistant"
	c.messages = append(c.messages, m)
	s := said{text: flat(m.Content), thoughts: m.Reasoning, finish: finish, in: in, out: out}
	if finish == "tool_calls" {
		s.finish = "tools"
	}
	for _, d := range m.ReasoningDetails {
		s.signed = s.signed || d["signature"] != nil
	}
	for _, call := range m.ToolCalls {
		s.calls = append(s.calls, called{call.ID, call.Function.Name, call.Function.Arguments})
	}
	return s
}

type frame struct{ name, data string }

// frames takes a body of server-sent events apart.
func frames(t *testing.T, body []byte) (all []frame) {
	t.Helper()
	var f frame
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			f.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			f.data = line[len("data: "):]
		case line == "" && f.data != "":
			all = append(all, f)
			f = frame{}
		}
	}
	if len(all) == 0 {
		t.Fatalf("no stream: %s", body)
	}
	return all
}

// anthropicTalk speaks Anthropic's dialect, strictly.
type anthropicTalk struct {
	m        *mesh.Mesh
	messages []map[string]any
}

func (c *anthropicTalk) user(text string) {
	c.messages = append(c.messages, map[string]any{"role": "user", "content": text})
}

func (c *anthropicTalk) results(calls []called, texts []string) {
	var blocks []anthropicBlock
	for i, call := range calls {
		blocks = append(blocks, anthropicBlock{Type: "tool_result", ToolUseID: call.id, Content: quoted(texts[i])})
	}
	c.messages = append(c.messages, map[string]any{"role": "user", "content": blocks})
}

type anthropicAnswer struct {
	ID         string
	Content    []anthropicBlock
	StopReason string `json:"stop_reason"`
	Usage      struct {
		In    int64 `json:"input_tokens"`
		Read  int64 `json:"cache_read_input_tokens"`
		Write int64 `json:"cache_creation_input_tokens"`
		Out   int64 `json:"output_tokens"`
	}
}

func (c *anthropicTalk) ask(t *testing.T, model string, o asking) said {
	t.Helper()
	in := map[string]any{"model": model, "messages": c.messages, "stream": o.stream, "max_tokens": 2048}
	if o.think {
		in["thinking"], in["output_config"] = map[string]string{"type": "adaptive"}, map[string]string{"effort": "low"}
	}
	var tools []any
	for _, name := range o.tools {
		tools = append(tools, map[string]any{"name": name, "input_schema": json.RawMessage(toolSchemas[name])})
	}
	if tools != nil {
		in["tools"] = tools
	}
	body := postJSON(t, c.m, "/v1/messages", in)
	var a anthropicAnswer
	if o.stream {
		a = gatherMessage(t, body)
	} else if err := json.Unmarshal(body, &a); err != nil || a.ID == "" {
		t.Fatalf("%v in %s", err, body)
	}
	return c.heard(t, a)
}

// gatherMessage puts a stream together: message_start, blocks one after the other, message_delta, message_stop.
func gatherMessage(t *testing.T, body []byte) (a anthropicAnswer) {
	t.Helper()
	order := ""
	for _, f := range frames(t, body) {
		var e struct {
			Type    string
			Index   int
			Message anthropicAnswer
			Block   anthropicBlock `json:"content_block"`
			Delta   struct {
				anthropicBlock
				Partial    string `json:"partial_json"`
				StopReason string `json:"stop_reason"`
			}
			Usage json.RawMessage
		}
		if err := json.Unmarshal([]byte(f.data), &e); err != nil || e.Type != f.name {
			t.Fatalf("%v: an odd event %s: %s", err, f.name, f.data)
		}
		last := len(a.Content) - 1
		switch e.Type {
		case "ping":
			continue
		case "message_start":
			a = e.Message
		case "content_block_start":
			if e.Index != last+1 {
				t.Errorf("block %d follows %d", e.Index, last)
			}
			if e.Block.Type == "tool_use" {
				e.Block.Input = nil
			}
			a.Content = append(a.Content, e.Block)
		case "content_block_delta":
			if e.Index != last {
				t.Fatalf("a delta of block %d in block %d", e.Index, last)
			}
			b := &a.Content[last]
			b.Text += e.Delta.Text
			b.Thinking += e.Delta.Thinking
			b.Signature += e.Delta.Signature
			b.Input = append(b.Input, e.Delta.Partial...)
		case "content_block_stop":
			if b := &a.Content[last]; b.Type == "tool_use" && len(b.Input) == 0 {
				b.Input = json.RawMessage("{}")
			}
		case "message_delta":
			a.StopReason = e.Delta.StopReason
			if err := json.Unmarshal(e.Usage, &a.Usage); err != nil {
				t.Fatalf("%v: %s", err, f.data)
			}
		}
		if step := e.Type + " "; !strings.HasSuffix(order, step) {
			order += step
		}
	}
	if !strings.HasPrefix(order, "message_start content_block_start ") || !strings.HasSuffix(order, "content_block_stop message_delta message_stop ") {
		t.Errorf("the order of events is %s", order)
	}
	return a
}

func (c *anthropicTalk) heard(t *testing.T, a anthropicAnswer) said {
	t.Helper()
	c.messages = append(c.messages, map[string]any{"role": "assistant", "content": a.Content})
	s := said{in: a.Usage.In + a.Usage.Read + a.Usage.Write, out: a.Usage.Out}
	s.finish = map[string]string{"end_turn": "stop", "tool_use": "tools", "max_tokens": "length"}[a.StopReason]
	for _, b := range a.Content {
		switch b.Type {
		case "text":
			s.text += b.Text
		case "thinking":
			s.thoughts += b.Thinking
			s.signed = s.signed || strings.HasPrefix(b.Signature, "Eq") // the simulator's own
		case "tool_use":
			var args bytes.Buffer
			if err := json.Compact(&args, b.Input); err != nil {
				t.Fatalf("%v in %s", err, b.Input)
			}
			s.calls = append(s.calls, called{b.ID, b.Name, args.String()})
		}
	}
	return s
}

// typedTalk asks over gRPC.
type typedTalk struct {
	r        routerv1.RouterServiceClient
	messages []*llmv1.Message
}

func textPart(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func (c *typedTalk) user(text string) {
	c.messages = append(c.messages, &llmv1.Message{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart(text)}})
}

func (c *typedTalk) results(calls []called, texts []string) {
	m := &llmv1.Message{Role: llmv1.Role_ROLE_TOOL}
	for i, call := range calls {
		m.Parts = append(m.Parts, &llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{
			ToolCallResponse: &llmv1.ToolCallResponsePart{Id: call.id, Parts: []*llmv1.Part{textPart(texts[i])}},
		}})
	}
	c.messages = append(c.messages, m)
}

func (c *typedTalk) ask(t *testing.T, model string, o asking) said {
	t.Helper()
	p := &llmv1.Prompt{Messages: c.messages}
	if o.think {
		p.Reasoning = &llmv1.Reasoning{Effort: "low"}
	}
	for _, name := range o.tools {
		p.Tools = append(p.Tools, &llmv1.Tool{Name: name, InputSchema: toolSchemas[name]})
	}
	if o.stream {
		return c.stream(t, &routerv1.StreamChatRequest{Model: model, Prompt: p})
	}
	whole, err := c.r.Chat(withKey(t.Context()), &routerv1.ChatRequest{Model: model, Prompt: p})
	if err != nil {
		t.Fatal(err)
	}
	a := whole.GetCompletion()
	return c.heard(a.GetMessage(), a.GetFinishReason(), a.GetUsage())
}

func (c *typedTalk) stream(t *testing.T, in *routerv1.StreamChatRequest) said {
	t.Helper()
	stream, err := c.r.StreamChat(withKey(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	var finish llmv1.FinishReason
	var usage *llmv1.TokenUsage
	for {
		got, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return c.heard(m, finish, usage)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := got.GetEvent(); {
		case e.GetPartStart() != nil:
			if int(e.GetPartStart().GetIndex()) != len(m.GetParts()) {
				t.Errorf("part %d follows %d", e.GetPartStart().GetIndex(), len(m.GetParts())-1)
			}
			m.Parts = append(m.Parts, e.GetPartStart().GetPart())
		case e.GetPartDelta() != nil:
			grow(m.GetParts()[e.GetPartDelta().GetIndex()], e.GetPartDelta())
		case e.GetUsage() != nil:
			usage = e.GetUsage()
		case e.GetFinish() != nil:
			finish = e.GetFinish().GetReason()
		}
	}
}

func grow(part *llmv1.Part, d *llmv1.PartDelta) {
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text:
		kind.Text.Text += d.GetText()
	case *llmv1.Part_Reasoning:
		kind.Reasoning.Text += d.GetText()
		kind.Reasoning.Signature += d.GetSignature()
	case *llmv1.Part_ToolCall:
		kind.ToolCall.Arguments += d.GetArguments()
	}
}

// heard leaves the extensions out of what goes back: they are one provider's own, and the next may be another.
func (c *typedTalk) heard(m *llmv1.Message, finish llmv1.FinishReason, usage *llmv1.TokenUsage) said {
	m.Extensions = nil
	for _, part := range m.GetParts() {
		part.Extensions = nil
	}
	c.messages = append(c.messages, m)
	s := said{in: usage.GetInputTokens(), out: usage.GetOutputTokens()}
	s.finish = map[llmv1.FinishReason]string{
		llmv1.FinishReason_FINISH_REASON_STOP: "stop", llmv1.FinishReason_FINISH_REASON_TOOL_CALL: "tools",
	}[finish]
	for _, part := range m.GetParts() {
		s.text += part.GetText().GetText()
		s.thoughts += part.GetReasoning().GetText()
		s.signed = s.signed || part.GetReasoning().GetSignature() != "" && part.GetReasoning().GetSignature() != "headgate-unsigned"
		if call := part.GetToolCall(); call != nil {
			args := call.GetArguments()
			if args == "" {
				args = "{}" // the shared vocabulary has them as the model wrote them: not at all
			}
			s.calls = append(s.calls, called{call.GetId(), call.GetName(), args})
		}
	}
	return s
}
