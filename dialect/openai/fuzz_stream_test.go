package openai_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

const wholeStream = `{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}
{"id":"c","choices":[{"index":0,"delta":{"reasoning":"hm"}},{"index":1,"delta":{"role":"assistant","content":"b"}}]}
{"id":"c","choices":[{"index":0,"delta":{"reasoning_details":[{"index":0,"type":"reasoning.text","text":"hm","signature":"sig","format":"anthropic-claude-v1"}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"content":"né"},"logprobs":{"content":[{"token":"n","logprob":-0.5,"bytes":[110],"top_logprobs":[]}],"refusal":null}}]}
{"id":"c","choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"https://x","title":"t"}}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":null,"arguments":{"b":2}}}]}}]}
{"id":"c","choices":[{"index":1,"delta":{"refusal":"no"}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}
{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
{"id":"c","choices":[{"index":1,"delta":{"content":""},"finish_reason":"stop","stop_reason":null}]}
{"id":"c","choices":[{"index":1,"delta":{"content":"late"},"finish_reason":null}]}
{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":9,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":1}},"x_groq":{"id":"r"}}
[DONE]`

func TestMutantStreamsAreExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		exactLines(t, vocabulary.Lines(wholeStream, seed))
	}
}

func FuzzStreamRoundTrip(f *testing.F) {
	f.Add([]byte(wholeStream), uint64(1))
	f.Add([]byte(`{"choices":null}`+"\n"+`{"choices":[null,{"index":-1}]}`+"\n[DONE]"), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		exactLines(t, stream)
		exactLines(t, vocabulary.Lines(wholeStream, seed))
	})
}

// exactLines checks that the frames of a stream come out as they went in, as far as they are taken.
func exactLines(t *testing.T, stream []byte) {
	t.Helper()
	d, e := openai.NewDecoder(true), openai.NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true})
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		events, err := d.Decode(sse.Frame{Data: data})
		if err != nil || d.Done() {
			return
		}
		var out []byte
		for _, event := range events {
			if out, err = e.Encode(out, event); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
		}
		got, err := sse.NewReader(bytes.NewReader(out), dialect.MaxFrame).Next()
		if err != nil || !object.Equal(bytes.TrimSpace(got.Data), bytes.TrimSpace(data)) {
			t.Fatalf("%s became %s by %v", data, out, events)
		}
	}
}

func TestMutantStreamsAreTold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		toldLines(t, vocabulary.Lines(wholeStream, seed))
	}
}

// FuzzDecoder: nothing a provider sends breaks a decoder, what it tells is in order, and clients can read it.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(wholeStream), uint64(1))
	f.Add([]byte(`{"choices":[{"index":127,"delta":{"tool_calls":[{"index":-1,"function":{"name":"f"}}]}}]}`+"\n[DONE]"), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		toldLines(t, stream)
		toldLines(t, vocabulary.Lines(wholeStream, seed))
	})
}

func toldLines(t *testing.T, stream []byte) {
	t.Helper()
	d, e, told := openai.NewDecoder(false), openai.NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true}), newStory()
	tap, mender := openai.NewTap(dialect.Facts{}), openai.NewMendingTap(dialect.Facts{})
	var out []byte
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		fr := sse.Frame{Data: data, Raw: data}
		if v := tap.Read(fr); v.Action == dialect.Forward {
			checkMended(t, mender.Mend(fr))
		}
		events, err := d.Decode(fr)
		if err != nil {
			return
		}
		if err := told.add(events...); err != nil {
			t.Fatalf("%v in %s", err, stream)
		}
		for _, event := range events {
			out, _ = e.Encode(out, event)
		}
	}
	if !d.Done() {
		return
	}
	if len(told.finished) == 0 || len(told.open) > 0 {
		t.Fatalf("finished %v, open %v after %s", told.finished, told.open, stream)
	}
	a := newAccumulator()
	eachFrame(e.End(out), func(f sse.Frame) {
		if err := a.add(f); err != nil {
			t.Fatalf("%v in %s of %s", err, f.Data, stream)
		}
	})
	if err := a.complete(told.usage != nil); err != nil {
		t.Fatalf("%v: %s became %s", err, stream, out)
	}
}

func checkMended(t *testing.T, f sse.Frame) {
	t.Helper()
	if rawjson.Check(f.Data, dialect.MaxAnswerDepth+8) != nil || !utf8.Valid(f.Data) {
		t.Fatalf("mended to %s", f.Data)
	}
}
