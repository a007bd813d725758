package tgi_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/internal/mutant"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

var vocabulary = mutant.Words{
	Names: []string{
		"", "generated_text", "details", "finish_reason", "generated_tokens", "input_length", "seed", "token", "text", "special", "error", "error_type", "message",
		"http_status_code", "choices", "delta", "content", "role", "tool_calls", "index", "id", "function", "name", "arguments", "usage", "prompt_tokens",
		"tokenize_response", "index", "completion_tokens", "best_of_sequences",
	},
	Values: []string{"length", "eos_token", "stop_sequence", "stop", "overloaded", "validation", "generation", "Model is overloaded", "a", "", "{}", "{", "é", "0", "[DONE]"},
}

const (
	wholeGenerated = `{"generated_text":"né","details":{"finish_reason":"eos_token","generated_tokens":2,"seed":null,"prefill":[],"tokens":[{"id":1,"text":"a","logprob":-0.1,"special":false}]}}`
	wholeChat      = `{"id":"","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":"f","arguments":{"a":1}}}]},"logprobs":null,"finish_reason":"stop_sequence"}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}`
	generateStream = `{"index":1,"token":{"id":1,"text":"a","logprob":-0.1,"special":false},"generated_text":null,"details":null}
{"index":2,"token":{"id":1,"text":" né","logprob":-0.1,"special":false},"top_tokens":[],"generated_text":null,"details":null}
{"index":3,"token":{"id":1,"text":"</s>","logprob":-0.1,"special":true},"generated_text":"a né","details":{"finish_reason":"eos_token","generated_tokens":3,"seed":null,"input_length":4}}
{"error":"Model is overloaded","error_type":"overloaded"}`
	chatStream = `{"id":"","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}],"usage":null}
{"id":"","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":"f","arguments":"{"}}]},"finish_reason":null}]}
{"id":"","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":null,"arguments":"}"}}]},"finish_reason":null}]}
{"id":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}
{"id":"","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}
[DONE]`
)

// FuzzAnswers: nothing a server answers breaks a decoder, and what is understood can be written for clients.
func FuzzAnswers(f *testing.F) {
	for i, seed := range []string{wholeGenerated, "[" + wholeGenerated + "]", wholeChat, `{"error":"x","error_type":"overloaded"}`, `{"tokenize_response":[{"id":1}],"templated_text":""}`, "", "prose"} {
		f.Add([]byte(seed), "5", uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, promptTokens string, seed uint64) {
		for _, body := range [][]byte{body, vocabulary.Body(string(body), seed), vocabulary.Body(wholeGenerated, seed), vocabulary.Body(wholeChat, seed)} {
			for _, decode := range []func() (*llmv1.Completion, error){
				func() (*llmv1.Completion, error) { return tgi.DecodeGenerate(body, promptTokens) },
				func() (*llmv1.Completion, error) { return tgi.DecodeChat(body) },
			} {
				c, err := decode()
				if err != nil {
					continue
				}
				if written := openai.EncodeResponse(c); c.GetId() == "" || c.GetUsage().GetInputTokens() < 0 && promptTokens != "" && rawjson.Check(written, dialect.MaxAnswerDepth) != nil {
					t.Fatalf("%s became %s", body, written)
				}
			}
			if p := tgi.DecodeError(424, body); p.Message == "" || !utf8.ValidString(p.Message+p.Code) {
				t.Fatalf("%q says %+v", body, p)
			}
			if n, err := tgi.DecodeTokenize(body); err == nil && n < 0 {
				t.Fatalf("%s has %d tokens", body, n)
			}
		}
	})
}

// FuzzStreams: nothing a server streams breaks a decoder, and its parts begin and end.
func FuzzStreams(f *testing.F) {
	f.Add([]byte(generateStream), uint64(1))
	f.Add([]byte(chatStream), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		told(t, tgi.NewChatDecoder(), stream)
		told(t, tgi.NewGenerateDecoder(), stream)
		told(t, tgi.NewChatDecoder(), vocabulary.Lines(chatStream, seed))
		told(t, tgi.NewGenerateDecoder(), vocabulary.Lines(generateStream, seed))
	})
}

func told(t *testing.T, d decoder, stream []byte) {
	t.Helper()
	open, finished := 0, 0
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		events, err := d.Decode(sse.Frame{Data: data})
		if err != nil {
			return
		}
		for _, e := range events {
			if e.GetPartStart() != nil {
				open++
			}
			if e.GetPartEnd() != nil {
				open--
			}
			if e.GetFinish() != nil {
				finished++
			}
			if e.GetPartDelta() != nil && (open == 0 || !utf8.ValidString(e.GetPartDelta().GetText())) {
				t.Fatalf("%v in %s", e, stream)
			}
		}
	}
	if d.Done() && (open != 0 || finished == 0) {
		t.Fatalf("%d open, %d finished after %s", open, finished, stream)
	}
}

// FuzzEncode: whatever stands in a prompt, what is written is JSON.
func FuzzEncode(f *testing.F) {
	f.Add("be brief", "x", `{"type":"object"}`, "END", 0.5)
	f.Add("", "\xff", `{`, "", 1.0)
	f.Fuzz(func(t *testing.T, system, words, schema, stop string, p float64) {
		prompt := &llmv1.Prompt{
			System: system, Messages: []*llmv1.Message{message(llmv1.Role_ROLE_USER, text(words)), message(llmv1.Role_ROLE_ASSISTANT, text(system)), message(llmv1.Role_ROLE_USER, text(stop))},
			Sampling:       &llmv1.Sampling{TopP: &p, Temperature: &p, StopSequences: []string{stop}},
			ResponseFormat: &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Schema: schema},
		}
		for _, encode := range []func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error){tgi.EncodeChat, tgi.EncodeGenerate, tgi.EncodeTokenize, tgi.EncodeChatTokenize} {
			body, _, err := encode(prompt, dialect.Ask{Model: words, Stream: true, IncludeUsage: true})
			if err == nil && rawjson.Check(body, 2000) != nil {
				t.Fatalf("no JSON: %s", body)
			}
		}
	})
}
