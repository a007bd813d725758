package anthropic_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func started(id, model string) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: id, Model: model}}}
}

func begins(index int32, part *llmv1.Part) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: index, Part: part}}}
}

func goesOn(d *llmv1.PartDelta) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: d}}
}

func words(index int32, text string) *llmv1.StreamEvent {
	return goesOn(&llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Text{Text: text}})
}

func argues(index int32, text string) *llmv1.StreamEvent {
	return goesOn(&llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Arguments{Arguments: text}})
}

func signs(index int32, text string) *llmv1.StreamEvent {
	return goesOn(&llmv1.PartDelta{Index: index, Delta: &llmv1.PartDelta_Signature{Signature: text}})
}

func ends(index int32) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: index}}}
}

func finishes(reason llmv1.FinishReason, raw string) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: reason, RawReason: raw}}}
}

func used(in, cached, out int64) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: &llmv1.TokenUsage{InputTokens: in, CachedInputTokens: cached, OutputTokens: out}}}
}

const (
	stop    = llmv1.FinishReason_FINISH_REASON_STOP
	length  = llmv1.FinishReason_FINISH_REASON_LENGTH
	callEnd = llmv1.FinishReason_FINISH_REASON_TOOL_CALL
)

// spell writes the data of frames in short, one a line.
func spell(t *testing.T, stream []byte) string {
	t.Helper()
	var lines []string
	for _, f := range framesOf(string(stream)) {
		data := strings.NewReplacer(`{"type":"`+string(f.Event)+`"`, strings.TrimPrefix(string(f.Event), "content_block_"), `,"stop_sequence":null`, "").Replace(string(f.Data))
		lines = append(lines, data)
	}
	return strings.Join(lines, "\n")
}

// TestCanonicalStream: an answer of another vendor is what Anthropic's own server writes.
func TestCanonicalStream(t *testing.T) {
	t.Parallel()
	const head = `message_start,"message":{"id":"c","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}`
	tail := func(reason string) string {
		return `message_delta,"delta":{"stop_reason":"` + reason + `"},"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":5}}` + "\n" + `message_stop}`
	}
	citation := &llmv1.Citation{Type: "url_citation", Url: "https://x", Title: "t", StartIndex: ptr(int64(0))}
	cases := map[string]struct {
		events []*llmv1.StreamEvent
		want   string
	}{
		"thoughts, text and calls": {
			[]*llmv1.StreamEvent{
				started("c", "m"), begins(0, thoughts("", "")), words(0, "hm"), ends(0), begins(1, textPart("")), words(1, "a\n\"b\""), begins(2, call("call_1", "")), argues(2, `{"a"`), argues(2, `:1}`),
				begins(3, call("call.2", "")), ends(2), ends(3), finishes(stop, "stop"), used(10, 3, 5),
			},
			`start,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
delta,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
delta,"index":0,"delta":{"type":"signature_delta","signature":"headgate-unsigned"}}
stop,"index":0}
start,"index":1,"content_block":{"type":"text","text":""}}
delta,"index":1,"delta":{"type":"text_delta","text":"a\n\"b\""}}
stop,"index":1}
start,"index":2,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}}
delta,"index":2,"delta":{"type":"input_json_delta","partial_json":""}}
delta,"index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}
delta,"index":2,"delta":{"type":"input_json_delta","partial_json":":1}"}}
stop,"index":2}
start,"index":3,"content_block":{"type":"tool_use","id":"` + dialect.ToolID("call.2", dialect.AnthropicToolID) + `","name":"f","input":{}}}
delta,"index":3,"delta":{"type":"input_json_delta","partial_json":""}}
stop,"index":3}
` + tail("tool_use"),
		},
		"a real signature, once": {
			[]*llmv1.StreamEvent{started("c", "m"), begins(0, thoughts("hm", "")), signs(0, "s"), signs(0, "sig"), ends(0), finishes(stop, ""), used(10, 3, 5)},
			`start,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
delta,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
delta,"index":0,"delta":{"type":"signature_delta","signature":"sig"}}
stop,"index":0}
` + tail("end_turn"),
		},
		"redacted thoughts": {
			[]*llmv1.StreamEvent{started("c", "m"), begins(0, &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Redacted: "xx"}}}), ends(0), finishes(length, "length"), used(10, 3, 5)},
			`start,"index":0,"content_block":{"type":"redacted_thinking","data":"xx"}}
stop,"index":0}
` + tail("max_tokens"),
		},
		"arguments that are no object": {
			[]*llmv1.StreamEvent{started("c", "m"), begins(0, call("a", " ")), argues(0, `[1`), argues(0, `]`), ends(0), finishes(callEnd, "tool_calls"), used(10, 3, 5)},
			`start,"index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}
delta,"index":0,"delta":{"type":"input_json_delta","partial_json":""}}
delta,"index":0,"delta":{"type":"input_json_delta","partial_json":"{\"_raw_arguments\":\" [1]\"}"}}
stop,"index":0}
` + tail("tool_use"),
		},
		"a refusal": {
			[]*llmv1.StreamEvent{started("c", "m"), begins(0, &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{}}}), words(0, "no"), ends(0), finishes(stop, "stop"), used(10, 3, 5)},
			`start,"index":0,"content_block":{"type":"text","text":""}}
delta,"index":0,"delta":{"type":"text_delta","text":"no"}}
stop,"index":0}
` + tail("refusal"),
		},
		"a source on the web, and what can't be shown": {
			[]*llmv1.StreamEvent{
				started("c", "m"), begins(0, blob(llmv1.Modality_MODALITY_AUDIO, "audio/wav", "")), words(0, "lost"), ends(0), begins(1, textPart("a")),
				goesOn(&llmv1.PartDelta{Index: 1, Delta: &llmv1.PartDelta_Citation{Citation: citation}}), goesOn(&llmv1.PartDelta{Index: 1, Delta: &llmv1.PartDelta_Citation{Citation: &llmv1.Citation{Type: "url_citation"}}}),
				finishes(stop, ""), used(10, 3, 5),
			},
			`start,"index":0,"content_block":{"type":"text","text":""}}
delta,"index":0,"delta":{"type":"text_delta","text":"a"}}
delta,"index":0,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x","title":"t","cited_text":"","encrypted_index":""}}}
stop,"index":0}
` + tail("end_turn"),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := anthropic.NewEncoder(dialect.Ask{Model: "asked"})
			var out []byte
			for _, event := range c.events {
				var err error
				if out, err = e.Encode(out, event); err != nil {
					t.Fatal(err)
				}
			}
			out = e.End(out)
			if got, want := spell(t, out), head+"\n"+c.want; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if _, err := accumulate(framesOf(string(out))); err != nil {
				t.Errorf("a client refuses it: %v", err)
			}
			if len(e.End(nil)) > 0 {
				t.Error("it ends twice")
			}
		})
	}
}

func TestEncoderEdges(t *testing.T) {
	t.Parallel()
	e := anthropic.NewEncoder(dialect.Ask{Model: "asked"})
	if m, err := accumulate(framesOf(string(e.End(nil)))); err != nil || m.Model != "asked" || *m.StopReason != "end_turn" || len(m.Content) > 0 {
		t.Errorf("an empty answer: %+v, %v", m, err)
	}
	e = anthropic.NewEncoder(dialect.Ask{})
	var err error
	var out []byte
	for _, event := range []*llmv1.StreamEvent{started("a", "m"), started("b", "m"), begins(0, call("a", "{}")), begins(1, call("b", "{}")), argues(0, "")} {
		if out, err = e.Encode(out, event); err != nil {
			t.Errorf("%v: %v", event, err)
		}
	}
	for name, event := range map[string]*llmv1.StreamEvent{
		"a late delta":        argues(0, "x"),
		"a delta of nothing":  words(7, "x"),
		"a second choice":     goesOn(&llmv1.PartDelta{Index: 1, Choice: 1}),
		"a part of a second":  {Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Choice: 1}}},
		"an end of a second":  {Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Choice: 1}}},
		"a finish of another": {Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Choice: 1}}},
	} {
		if _, err := e.Encode(nil, event); !isReason(err, errorsv1.Reason_REASON_UNSUPPORTED) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncodeResponse(t *testing.T) {
	t.Parallel()
	usage := &llmv1.TokenUsage{InputTokens: 10, CachedInputTokens: 3, CacheWriteTokens: 2, OutputTokens: 5, ReasoningTokens: 4}
	got := string(anthropic.EncodeResponse(&llmv1.Completion{
		Id: "c", Model: "m", FinishReason: stop, RawFinishReason: "stop", Usage: usage, FurtherChoices: []*llmv1.Choice{{Index: 1}},
		Message: say(assistant, thoughts("hm", ""), textPart("a"), blob(0, "audio/wav", "x"), call("a.b", "no JSON"), nativePart("refusal", "{}")),
	}))
	want := `{"id":"c","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"headgate-unsigned"},{"type":"text","text":"a"},` +
		`{"type":"tool_use","id":"` + dialect.ToolID("a.b", dialect.AnthropicToolID) + `","name":"f","input":{"_raw_arguments":"no JSON"}}],"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":5,"output_tokens_details":{"thinking_tokens":4}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c, err := anthropic.DecodeResponse([]byte(got), false)
	if err != nil || c.GetUsage().String() != usage.String() || c.GetMessage().GetParts()[2].GetToolCall().GetArguments() != "no JSON" {
		t.Errorf("came back as %v, %v", c, err)
	}
	empty := string(anthropic.EncodeResponse(&llmv1.Completion{}))
	if want := `{"id":"","type":"message","role":"assistant","model":"","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}`; empty != want {
		t.Errorf("nothing is %s", empty)
	}
}

func TestStopReasons(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		c    *llmv1.Completion
		want string
	}{
		"a stop sequence":       {&llmv1.Completion{FinishReason: stop, StopSequence: "END"}, "stop_sequence"},
		"Anthropic's own":       {&llmv1.Completion{FinishReason: length, RawFinishReason: "model_context_window_exceeded"}, "model_context_window_exceeded"},
		"another's":             {&llmv1.Completion{FinishReason: length, RawFinishReason: "length"}, "max_tokens"},
		"a word for another":    {&llmv1.Completion{FinishReason: length, RawFinishReason: "end_turn"}, "max_tokens"},
		"a filter":              {&llmv1.Completion{FinishReason: llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER, RawFinishReason: "content_filter"}, "refusal"},
		"a pause":               {&llmv1.Completion{FinishReason: llmv1.FinishReason_FINISH_REASON_PAUSE}, "pause_turn"},
		"calls, and none there": {&llmv1.Completion{FinishReason: callEnd, RawFinishReason: "tool_calls"}, "end_turn"},
		"unknown":               {&llmv1.Completion{RawFinishReason: "novel"}, "novel"},
	}
	for name, c := range cases {
		if got := string(anthropic.EncodeResponse(c.c)); !strings.Contains(got, `"stop_reason":"`+c.want+`"`) {
			t.Errorf("%s: %s", name, got)
		}
		back, err := anthropic.DecodeResponse([]byte(`{"type":"message","stop_reason":"`+c.want+`"}`), false)
		if err != nil || c.c.GetRawFinishReason() == c.want && back.GetFinishReason() != c.c.GetFinishReason() {
			t.Errorf("%s: came back as %v", name, back)
		}
	}
}
