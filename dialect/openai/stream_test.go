package openai_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func TestDecoderRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data string
		want errorsv1.Reason
	}{
		"a function call":     {`{"choices":[{"delta":{"function_call":{"name":"f"}}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"audio":               {`{"choices":[{"delta":{"audio":{"data":"x"}}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"pictures":            {`{"choices":[{"delta":{"images":[{"type":"image_url"}]}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"a part of no kind":   {`{"choices":[{"delta":{"content":[{"type":"image_url"}]}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"invalid UTF-8":       {"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}", errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"an end, no answer":   {`[DONE]`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"a list":              {`[1]`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"choices of another":  {`{"choices":{}}`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"a choice too far":    {`{"choices":[{"index":100000}]}`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"an error":            {`{"error":{"message":"x"}}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"an error in words":   {`{"error":"x"}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"an error by choices": {`{"choices":[{"delta":{"content":""}}],"error":{"code":502,"message":"x"}}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"a flat error":        {`{"object":"error","message":"x","code":400}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"given up":            {`{"choices":[{"delta":{},"finish_reason":"abort"}]}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"given up with words": {`{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"x"}}]}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, extensions := range []bool{false, true} {
				events, err := openai.NewDecoder(extensions).Decode(sse.Frame{Data: []byte(c.data)})
				if extensions && c.want == errorsv1.Reason_REASON_UNSUPPORTED {
					if err != nil {
						t.Errorf("refused with extensions: %v", err)
					}
					continue
				}
				if !isReason(err, c.want) || len(events) > 0 {
					t.Errorf("got %v, %v", events, err)
				}
			}
		})
	}
}

// tell writes events in short: (n) begins a part, of kind t text, r reasoning, x refusal, or a call's id and name; | ends
// one.
func tell(events []*llmv1.StreamEvent) string {
	var b strings.Builder
	for _, e := range events {
		switch k := e.GetEvent().(type) {
		case *llmv1.StreamEvent_PartStart:
			if k.PartStart.GetChoice() > 0 {
				fmt.Fprintf(&b, "%d:", k.PartStart.GetChoice())
			}
			fmt.Fprintf(&b, "(%s)", kindOf(k.PartStart.GetPart()))
		case *llmv1.StreamEvent_PartDelta:
			d := k.PartDelta
			b.WriteString(d.GetText() + d.GetArguments())
			if d.GetSignature() != "" {
				b.WriteString("[" + d.GetSignature() + "]")
			}
			if d.GetCitation() != nil {
				b.WriteString("<" + d.GetCitation().GetUrl() + ">")
			}
			if n := len(d.GetLogProbs().GetContent()); n > 0 {
				fmt.Fprintf(&b, "%%%d", n)
			}
		case *llmv1.StreamEvent_PartEnd:
			b.WriteString("|")
		case *llmv1.StreamEvent_Finish:
			b.WriteString(" " + strings.ToLower(strings.TrimPrefix(k.Finish.GetReason().String(), "FINISH_REASON_")))
		case *llmv1.StreamEvent_Usage:
			fmt.Fprintf(&b, " %d/%d", k.Usage.GetInputTokens(), k.Usage.GetOutputTokens())
		}
	}
	return b.String()
}

func kindOf(part *llmv1.Part) string {
	switch k := part.GetKind().(type) {
	case *llmv1.Part_ToolCall:
		id := k.ToolCall.GetId()
		if len(id) > 10 {
			id = "made"
		}
		if k.ToolCall.GetFreeForm() {
			id += " free"
		}
		return id + " " + k.ToolCall.GetName()
	case *llmv1.Part_Reasoning:
		return "r" + k.Reasoning.GetRedacted()
	case *llmv1.Part_Refusal:
		return "x"
	}
	return "t"
}

func delta(members string) string {
	return `{"id":"c","choices":[{"index":0,"delta":{` + members + `}}]}`
}

func callOf(item string) string { return delta(`"tool_calls":[` + item + `]`) }

func TestDecoderTells(t *testing.T) {
	t.Parallel()
	finish := func(word string) string { return `{"choices":[{"delta":{},"finish_reason":"` + word + `"}]}` }
	cases := map[string]struct {
		frames []string
		want   string
	}{
		"text":                       {[]string{delta(`"role":"assistant","content":""`), delta(`"content":"a"`), delta(`"content":"b"`), finish("stop")}, "(t)ab| stop"},
		"text before the role":       {[]string{delta(`"content":"a"`), delta(`"role":"assistant","content":"b"`), finish("stop")}, "(t)ab| stop"},
		"Azure's preamble":           {[]string{`{"id":"","choices":[],"prompt_filter_results":[]}`, delta(`"content":"A"`), finish("length")}, "(t)A| length"},
		"an error that is null":      {[]string{`{"error":null,"choices":[{"delta":{"content":"A"}}]}`}, "(t)A| unspecified"},
		"text, refusal and text":     {[]string{delta(`"content":"A"`), delta(`"refusal":"B"`), delta(`"content":"C"`)}, "(t)A|(x)B|(t)C| unspecified"},
		"two choices, interleaved":   {[]string{`{"choices":[{"index":1,"delta":{"content":"B"}},{"index":0,"delta":{"content":"A"}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}`}, "1:(t)B(t)A|b| length stop"},
		"reasoning":                  {[]string{delta(`"reasoning":"h"`), delta(`"reasoning":"m"`), delta(`"content":"A"`)}, "(r)hm|(t)A| unspecified"},
		"reasoning_content":          {[]string{delta(`"reasoning_content":"hm","content":null`), delta(`"reasoning_content":null,"content":"A"`)}, "(r)hm|(t)A| unspecified"},
		"reasoning under both names": {[]string{delta(`"reasoning":"hm","reasoning_content":"hm"`), delta(`"content":"A"`)}, "(r)hm|(t)A| unspecified"},
		"reasoning_details too":      {[]string{delta(`"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]`), delta(`"reasoning_details":[{"type":"reasoning.text","signature":"S"}]`), delta(`"content":"A"`)}, "(r)hm[S]|(t)A| unspecified"},
		"reasoning_details only":     {[]string{delta(`"reasoning_details":[{"type":"reasoning.summary","summary":"hm"}]`), delta(`"reasoning_details":[{"type":"reasoning.encrypted","data":"D"}]`)}, "(r)hm|(rD)| unspecified"},
		"another vendor's seal":      {[]string{delta(`"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"S","format":"google-gemini-v1"}]`)}, "(r)hm| unspecified"},
		"a seal that comes late":     {[]string{delta(`"reasoning":"hm"`), delta(`"content":"A","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"S"}]`)}, "(r)hm[S]|(t)A| unspecified"},
		"Mistral's parts":            {[]string{delta(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]}]`), delta(`"content":[{"type":"text","text":"A"},{"type":"reference","reference_ids":[1]}]`), finish("model_length")}, "(r)hm|(t)A| length"},
		"citations and log probs":    {[]string{`{"choices":[{"delta":{"content":"A"},"logprobs":{"content":[{"token":"A","logprob":-1}]}}]}`, delta(`"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]`)}, "(t)A%1<u>| unspecified"},

		"a call":                      {[]string{callOf(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), callOf(`{"index":0,"function":{"arguments":"{\"x\""}}`), callOf(`{"index":0,"function":{"arguments":":1}"}}`), finish("tool_calls")}, `(a f){"x":1}| tool_call`},
		"parallel calls":              {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), callOf(`{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}`), callOf(`{"index":1,"function":{"arguments":"}"}}`)}, `(a f){}|(b g){}| tool_call`},
		"whole calls in one chunk":    {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}`)}, `(a f){}|(b g){}| tool_call`},
		"the same index again":        {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), callOf(`{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}`)}, `(a f){}|(b g){}| tool_call`},
		"no index":                    {[]string{callOf(`{"id":"a","function":{"name":"f","arguments":"{"}}`), callOf(`{"function":{"arguments":"}"}}`), callOf(`{"id":"b","function":{"name":"g","arguments":"{}"}}`)}, `(a f){}|(b g){}| tool_call`},
		"neither index nor id":        {[]string{callOf(`{"function":{"name":"f","arguments":"{}"}}`), callOf(`{"function":{"name":"g","arguments":"{}"}}`)}, `(made f){}|(made g){}| tool_call`},
		"the same index, no id":       {[]string{callOf(`{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}`), callOf(`{"index":0,"id":"","function":{"name":"g","arguments":"{}"}}`)}, `(made f){}|(made g){}| tool_call`},
		"no arguments at first":       {[]string{callOf(`{"index":0,"id":"a","type":"function","function":{"name":"f"}}`), callOf(`{"index":0,"function":{"arguments":"{}"}}`)}, `(a f){}| tool_call`},
		"never any arguments":         {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":null}}`), callOf(`{"index":1,"id":"b","function":{"name":"g"}}`)}, `(a f)|(b g)| tool_call`},
		"arguments as an object":      {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x": 1}}}`)}, `(a f){"x": 1}| tool_call`},
		"the id before the name":      {[]string{callOf(`{"index":0,"id":"a","type":"function"}`), callOf(`{"index":0,"function":{"arguments":"{"}}`), callOf(`{"index":0,"function":{"name":"f","arguments":"}"}}`)}, `(a f){}| tool_call`},
		"TGI repeats id and type":     {[]string{callOf(`{"index":0,"id":"0","type":"function","function":{"name":"f","arguments":"{"}}`), callOf(`{"index":0,"id":"0","type":"function","function":{"name":null,"arguments":"}"}}`), finish("eos_token")}, `(0 f){}| stop`},
		"two heads, then two bodies":  {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}`), callOf(`{"index":0,"function":{"arguments":"{}"}}`), callOf(`{"index":1,"function":{"arguments":"[]"}}`)}, `(a f)(b g){}[]|| tool_call`},
		"truly interleaved":           {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`), callOf(`{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}`), callOf(`{"index":0,"function":{"arguments":"}"}}`), callOf(`{"index":1,"function":{"arguments":"}"}}`)}, `(a f){(b g){}}|| tool_call`},
		"a custom call":               {[]string{callOf(`{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"x"}}`), callOf(`{"index":0,"custom":{"input":"y"}}`)}, `(a free f)xy| tool_call`},
		"text between":                {[]string{callOf(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), delta(`"content":"A"`), callOf(`{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}`)}, `(a f){}|(t)A|(b g){}| tool_call`},
		"a finish twice":              {[]string{delta(`"content":"A"`), finish("tool_calls"), finish("stop")}, "(t)A| tool_call"},
		"text after the finish":       {[]string{delta(`"content":"A"`), finish("stop"), delta(`"content":"B"`)}, "(t)A|(t)B| stop"},
		"a word of its own":           {[]string{delta(`"content":"A"`), finish("weird")}, "(t)A| unspecified"},
		"usage on the last choice":    {[]string{delta(`"content":"A"`), `{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`}, "(t)A| stop 3/4"},
		"usage in every chunk":        {[]string{`{"choices":[{"delta":{"content":"A"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, finish("stop"), `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`}, "(t)A| stop 3/2"},
		"usage where Groq puts it":    {[]string{delta(`"content":"A"`), `{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":1}}}`}, "(t)A| stop 3/1"},
		"choices that aren't objects": {[]string{`{"id":"c","choices":[1,null]}`}, " unspecified"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, told := openai.NewDecoder(false), newStory()
			var all []*llmv1.StreamEvent
			for _, data := range append(c.frames, "[DONE]") {
				events, err := d.Decode(sse.Frame{Data: []byte(data)})
				if err != nil {
					t.Fatal(err)
				}
				if err := told.add(events...); err != nil {
					t.Fatal(err)
				}
				all = append(all, events...)
			}
			if got := tell(all); got != c.want || !d.Done() {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			body := stream([][]byte{[]byte(strings.Join(append(c.frames, "[DONE]"), "\x00"))})
			body = bytes.ReplaceAll(body, []byte{0}, []byte("\n\ndata: "))
			checkCanonical(t, name, body)
			streamAgain(t, name, body)
		})
	}
}

// TestDecoderRefusesLateArguments: arguments for a call that is over would be lost.
func TestDecoderRefusesLateArguments(t *testing.T) {
	t.Parallel()
	d := openai.NewDecoder(false)
	var err error
	for _, item := range []string{
		`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`, `{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}`,
		`{"index":0,"function":{"arguments":"more"}}`,
	} {
		_, err = d.Decode(sse.Frame{Data: []byte(callOf(item))})
	}
	if !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
		t.Errorf("got %v", err)
	}
}

func TestDecoderKeepsProvidersStatus(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"error":{"message":"x","code":400}}`: "400", `{"error":{"message":"x","status_code":429}}`: "429", `{"error":{"message":"x"},"status_code":503}`: "503",
		`{"error":{"message":"x","http_status_code":422}}`: "422", `{"object":"error","message":"x","code":404}`: "404",
		`{"error":{"message":"x","code":"full"}}`: "502", `{"error":{"message":"x","code":200}}`: "502",
	} {
		_, err := openai.NewDecoder(false).Decode(sse.Frame{Data: []byte(data)})
		if got := metadata(err, "http_status"); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}

// TestFramesComeBack: what has no words, or stands where nobody expects it, comes back in its frame.
func TestFramesComeBack(t *testing.T) {
	t.Parallel()
	for name, frames := range map[string][]string{
		"keys of others":        {`{"id":"c","x":{"y":[1]},"choices":[{"index":0,"delta":{"content":"A","z":null},"token_ids":[1]}],"obfuscation":"q"}`},
		"nothing":               {`{}`, `{"choices":null}`, `{"choices":[]}`},
		"an empty delta":        {`{"id":"c","choices":[{"delta":{}}]}`, `{"id":"d","created":5,"choices":[{"delta":{}}]}`},
		"after the finish":      {`{"id":"c","choices":[{"delta":{"content":"A"},"finish_reason":"stop"}]}`, `{"id":"c","choices":[{"delta":{"content":"B"},"finish_reason":"length"}]}`},
		"two texts in a list":   {`{"id":"c","choices":[{"delta":{"content":[{"type":"text","text":"A"},{"type":"text","text":"B"},{"type":"x"}]}}]}`},
		"function_call":         {`{"id":"c","choices":[{"delta":{"role":"assistant","function_call":{"name":"f"}}}]}`},
		"usage with extras":     {`{"id":"c","choices":[],"usage":{"prompt_tokens":1,"cost":0.5,"prompt_tokens_details":null}}`},
		"a member twice":        {`{"id":"c","id":"d","choices":[{"delta":{"content":"A"}}],"choices":[{"delta":{"content":"B"}}]}`},
		"half a character":      {`{"id":"c","choices":[{"delta":{"content":"\ud83d"}}]}`},
		"space around":          {" {\"id\" : \"c\" , \"choices\":[ ]}\n"},
		"long ids":              {callOf(`{"index":3,"id":"` + strings.Repeat("x", 50) + `","function":{"name":"f","arguments":"{}"}}`)},
		"a call without a name": {callOf(`{"index":0,"id":"a"}`), callOf(`{"index":0,"function":{"arguments":"{}"}}`)},
		"logprobs, no words":    {`{"id":"c","choices":[{"delta":{"content":""},"logprobs":{"content":[]}}]}`},
		"odd log probs":         {`{"id":"c","choices":[{"delta":{"content":"é"},"logprobs":{"content":[{"token":"é","logprob":-0.10000000000000000001,"bytes":null,"top_logprobs":[{"x":1}]},5],"x":1}}]}`},
	} {
		streamAgain(t, name, stream(asBytes(frames)))
	}
	_, _ = streamAgain(t, "names", []byte("event: chunk\ndata: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"A\"}}]}\n\nevent: ping\ndata: {}\n\ndata: [DONE]\n\n"))
}

func asBytes(texts []string) [][]byte {
	list := make([][]byte, len(texts))
	for i, text := range texts {
		list[i] = []byte(text)
	}
	return list
}

// TestUsageOnlyWhereAsked: a frame that only tells the usage is for clients who asked for it.
func TestUsageOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	d, e := openai.NewDecoder(true), openai.NewEncoder(dialect.Ask{Stream: true})
	var out []byte
	for _, data := range []string{
		`{"id":"c","choices":[{"index":0,"delta":{"content":"A"}}],"usage":null}`, `{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`,
	} {
		events, err := d.Decode(sse.Frame{Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			out, _ = e.Encode(out, event)
		}
	}
	if bytes.Contains(e.End(out), []byte("usage")) || bytes.Count(out, []byte("data: ")) != 1 {
		t.Errorf("got %s", out)
	}
}

// TestCanonicalStream: events that came from another dialect, word for word.
func TestCanonicalStream(t *testing.T) {
	t.Parallel()
	part := func(index int32, p *llmv1.Part) *llmv1.StreamEvent {
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: index, Part: p}}}
	}
	step := func(d *llmv1.PartDelta) *llmv1.StreamEvent {
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: d}}
	}
	end := func(index int32) *llmv1.StreamEvent {
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: index}}}
	}
	usage := func(in, out int64) *llmv1.StreamEvent {
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: &llmv1.TokenUsage{InputTokens: in, OutputTokens: out}}}
	}
	text, thought := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{}}}, &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{}}}
	events := []*llmv1.StreamEvent{
		{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "msg_1", CreatedUnixSeconds: 7}}},
		usage(1, 0),
		part(0, thought), step(&llmv1.PartDelta{Index: 0, Delta: &llmv1.PartDelta_Text{Text: "hm"}}),
		step(&llmv1.PartDelta{Index: 0, Delta: &llmv1.PartDelta_Signature{Signature: "S"}}), end(0),
		part(1, &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Redacted: "R"}}}), end(1),
		part(2, text), step(&llmv1.PartDelta{Index: 2, Delta: &llmv1.PartDelta_Text{Text: "né\n"}}),
		step(&llmv1.PartDelta{Index: 2, Delta: &llmv1.PartDelta_Citation{Citation: &llmv1.Citation{Type: "web_search_result_location", Url: "u", Title: "t"}}}),
		step(&llmv1.PartDelta{Index: 2, Delta: &llmv1.PartDelta_Citation{Citation: &llmv1.Citation{Type: "char_location"}}}), end(2),
		part(3, &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: "server_tool_use", Json: "{}"}}}), end(3),
		part(4, &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "toolu_1", Name: "f"}}}),
		step(&llmv1.PartDelta{Index: 4, Delta: &llmv1.PartDelta_Arguments{Arguments: `{"a":`}}), step(&llmv1.PartDelta{Index: 4, Delta: &llmv1.PartDelta_Arguments{Arguments: `1}`}}), end(4),
		{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: llmv1.FinishReason_FINISH_REASON_STOP, RawReason: "end_turn"}}},
		usage(3, 4),
	}
	const head, tail = `data: {"id":"msg_1","object":"chat.completion.chunk","created":7,"model":"m","choices":[`, `,"usage":null}` + "\n\n"
	choice := func(delta string) string {
		return head + `{"index":0,"delta":{` + delta + `},"logprobs":null,"finish_reason":null}]` + tail
	}
	want := choice(`"role":"assistant","content":"","refusal":null`) + choice(`"reasoning":"hm"`) +
		choice(`"reasoning_details":[{"index":0,"type":"reasoning.text","text":"hm","signature":"S","format":"anthropic-claude-v1"}]`) +
		choice(`"reasoning_details":[{"index":1,"type":"reasoning.encrypted","data":"R","format":"anthropic-claude-v1"}]`) +
		choice(`"content":"né\n"`) +
		choice(`"annotations":[{"index":0,"type":"url_citation","url_citation":{"start_index":0,"end_index":3,"url":"u","title":"t"}}]`) +
		choice(`"tool_calls":[{"index":0,"id":"toolu_1","type":"function","function":{"name":"f","arguments":""}}]`) +
		choice(`"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]`) + choice(`"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]`) +
		head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]` + tail +
		head + `],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}` + "\n\n" +
		"data: [DONE]\n\n"
	e := openai.NewEncoder(dialect.Ask{Model: "m", Stream: true, IncludeUsage: true})
	var out []byte
	for _, event := range events {
		out, _ = e.Encode(out, event)
	}
	if out = e.End(out); string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
