package anthropic_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const begin = `{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1}}}`

// named is a frame under the name that its data has.
func named(data []byte) sse.Frame {
	f, _ := sse.NewReader(bytes.NewReader(frame(data)), dialect.MaxFrame).Next()
	return f
}

func TestTapEdges(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		name, data string
		want       dialect.Verdict
	}{
		"invalid UTF-8":           {"content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\xff\"}}", dialect.Verdict{Action: dialect.Malformed}},
		"a known name, no type":   {"message_stop", `{}`, dialect.Verdict{Action: dialect.Malformed}},
		"an unknown name, typed":  {"novelty", `{"type":"other"}`, dialect.Verdict{Action: dialect.Malformed}},
		"an unknown, no type":     {"novelty", `{"x":1}`, dialect.Verdict{}},
		"ping without a type":     {"ping", `{}`, dialect.Verdict{}},
		"an empty delta":          {"content_block_delta", `{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}`, dialect.Verdict{}},
		"thinking":                {"content_block_delta", `{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}`, dialect.Verdict{Content: true}},
		"a stop reason":           {"message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_details":{"x":1}},"usage":{"output_tokens":1}}`, dialect.Verdict{}},
		"text begins with text":   {"content_block_start", `{"type":"content_block_start","content_block":{"type":"text","text":"x"}}`, dialect.Verdict{Content: true}},
		"thinking begins":         {"content_block_start", `{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}}`, dialect.Verdict{}},
		"redacted thinking":       {"content_block_start", `{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}`, dialect.Verdict{Content: true}},
		"a result nested deep":    {"content_block_start", `{"type":"content_block_start","content_block":{"type":"x","y":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}`, dialect.Verdict{Content: true}},
		"a result nested too far": {"content_block_start", strings.Repeat("[", 600) + strings.Repeat("]", 600), dialect.Verdict{Action: dialect.Malformed}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := anthropic.NewTap(dialect.Facts{}).Read(sse.Frame{Event: []byte(c.name), Data: []byte(c.data)})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestUsageIsReplaced: later counts replace earlier ones, and what they leave out, or give as null, stays.
func TestUsageIsReplaced(t *testing.T) {
	t.Parallel()
	tap := anthropic.NewTap(dialect.Facts{})
	for _, data := range []string{
		`{"type":"message_start","message":{"usage":{"input_tokens":7,"cache_read_input_tokens":20,"cache_creation_input_tokens":100,"output_tokens":8}}}`,
		`{"type":"message_delta","delta":{},"usage":{"input_tokens":null,"cache_read_input_tokens":30,"output_tokens":0}}`,
	} {
		tap.Read(named([]byte(data)))
	}
	u := tap.Reading().Usage
	if u.GetInputTokens() != 137 || u.GetCachedInputTokens() != 30 || u.GetCacheWriteTokens() != 100 || u.GetOutputTokens() != 0 {
		t.Errorf("got %v", u)
	}
}

func TestTapDoesNotAllocate(t *testing.T) {
	tap := anthropic.NewTap(dialect.Facts{})
	f := named([]byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" né"}     }`))
	if n := testing.AllocsPerRun(100, func() { tap.Read(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecoder(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		stream string
		want   string
		reason errorsv1.Reason
	}{
		"a block that isn't stopped": {begin + `
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"A"}}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}
{"type":"message_delta","delta":{},"usage":{"output_tokens":3}}
{"type":"message_stop"}`, "A", 0},
		"an index that comes again": {begin + `
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"A"}}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"B"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"late"}}
{"type":"message_stop"}`, "AB", 0},
		"thinking": {`{"type":"ping"}
` + begin + `
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"A"}}
{"type":"content_block_stop","index":1}
{"type":"message_stop"}`, "A", 0},
		"no name":             {begin + "\n{\"x\":1}", "", errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"an end, no answer":   {`{"type":"message_stop"}`, "", errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"invalid UTF-8":       {begin + "\n{\"type\":\"x\",\"y\":\"\xff\"}", "", errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"the provider's fall": {begin + "\n" + `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, "", errorsv1.Reason_REASON_PROVIDER_ERROR},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, story := anthropic.NewDecoder(false), order{}
			var err error
			for data := range bytes.SplitSeq([]byte(c.stream), []byte("\n")) {
				var events []*llmv1.StreamEvent
				if events, err = d.Decode(named(data)); err != nil {
					break
				}
				if err := story.add(events); err != nil {
					t.Fatal(err)
				}
			}
			if c.reason != 0 {
				if !isReason(err, c.reason) {
					t.Errorf("got %v", err)
				}
				return
			}
			why := llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
			if strings.Contains(c.stream, "end_turn") {
				why = llmv1.FinishReason_FINISH_REASON_STOP
			}
			if err != nil || story.text != c.want || !story.finished || story.finish.GetReason() != why || !d.Done() {
				t.Errorf("told %q, finished %v, %v, %v", story.text, story.finished, story.finish, err)
			}
		})
	}
}

// TestDecoderKeepsProvidersStatus: within a stream an error's type stands for the status that can't be changed any more.
func TestDecoderKeepsProvidersStatus(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"overloaded_error": "529", "rate_limit_error": "429", "invalid_request_error": "400", "novel_error": "500"} {
		_, err := anthropic.NewDecoder(false).Decode(named([]byte(`{"type":"error","error":{"type":"` + kind + `","message":"x"}}`)))
		if got := metadata(err, "http_status"); got != want || metadata(err, "provider_code") != kind {
			t.Errorf("%s: status %s, want %s", kind, got, want)
		}
	}
}

func TestModelsWithoutADate(t *testing.T) {
	t.Parallel()
	got, err := anthropic.DecodeModels([]byte(`{"data":[{"id":"a"},{"id":"b","created_at":"2025-10-30T16:17:36Z"}],"has_more":false}`))
	if err != nil || len(got) != 2 || got[0].GetCreatedUnixSeconds() != 0 || got[1].GetCreatedUnixSeconds() != 1761841056 {
		t.Errorf("got %v, %v", got, err)
	}
	for name, body := range map[string]string{"a page": "<html>", "no data": "{}", "cut": `{"data":[`} {
		if _, err := anthropic.DecodeModels([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadResponseRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a page": "<html>", "nothing": "", "an array": "[]", "an error": `{"type":"error","error":{}}`, "something else": `{"id":"x"}`,
		"invalid UTF-8": "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"\xff\"}]}", "cut": `{"type":"message"`,
	} {
		if _, err := anthropic.ReadResponse([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := anthropic.DecodeResponse([]byte(body), false); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s, decoded: %v", name, err)
		}
	}
	deep := `{"type":"message","content":[{"type":"tool_use","input":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}],"usage":{"output_tokens":5}}`
	if r, err := anthropic.ReadResponse([]byte(deep)); err != nil || r.Usage.GetOutputTokens() != 5 {
		t.Errorf("a deep tool call hides the usage: %v, %v", r.Usage, err)
	}
}

// TestDecoderRefusesAnotherAnswer: what was told can't be taken back when a provider begins anew; the same beginning
// twice, which a broken proxy sends, is nothing.
func TestDecoderRefusesAnotherAnswer(t *testing.T) {
	t.Parallel()
	another := strings.Replace(begin, `"id":"m"`, `"id":"n"`, 1)
	block := `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`
	for name, c := range map[string]struct {
		lines      []string
		extensions bool
		refused    bool
	}{
		"another answer":                  {[]string{begin, block, another}, false, true},
		"another before anything is said": {[]string{begin, another, block}, false, false},
		"the same twice":                  {[]string{begin, block, begin}, false, false},
		"kept as it is":                   {[]string{begin, block, another}, true, false},
	} {
		d := anthropic.NewDecoder(c.extensions)
		var err error
		for _, line := range c.lines {
			if _, err = d.Decode(named([]byte(line))); err != nil {
				break
			}
		}
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
