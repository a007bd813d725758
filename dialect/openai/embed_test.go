package openai_test

import (
	"bytes"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// TestRecordedEmbeddings: requests and answers come back the same, and the two forms of vectors mean the same.
func TestRecordedEmbeddings(t *testing.T) {
	t.Parallel()
	requests, answers, failed := 0, 0, 0
	for _, r := range recordings(t, "openai-embeddings", "/embeddings") {
		if body := bytes.TrimSpace(r.request); r.status == 200 && len(body) > 0 {
			requests++
			again, err := embedRequestAgain(body)
			if err != nil || !object.Equal(body, again) {
				t.Errorf("%s: %v %s", r.id, err, again)
			}
		}
		body := bytes.TrimSpace(r.answer)
		if r.status != 200 {
			failed++
			continue
		}
		answers++
		e, err := openai.DecodeEmbedResponse(body, true)
		if err != nil {
			t.Errorf("%s: %v", r.id, err)
			continue
		}
		packed := bytes.Contains(body, []byte(`"embedding": "`))
		if again := openai.EncodeEmbedResponse(e, packed); !object.Equal(body, again) {
			t.Errorf("%s: %v", r.id, object.Diff(body, again))
		}
		sameVectors(t, r.id, body, e)
	}
	t.Logf("%d requests and %d answers the same again, %d errors", requests, answers, failed)
}

func embedRequestAgain(body []byte) ([]byte, error) {
	facts, err := openai.ReadEmbedFacts(body)
	if err != nil {
		return nil, err
	}
	in, err := openai.DecodeEmbedRequest(body)
	if err != nil {
		return nil, err
	}
	return openai.EncodeEmbedRequest(in, facts.Model, openai.WantsBase64(body)), nil
}

// sameVectors asks for each form of an answer, and reads the same from both.
func sameVectors(t *testing.T, id string, body []byte, want *openai.Embeddings) {
	t.Helper()
	for _, packed := range []bool{true, false} {
		converted, reading, err := openai.ReadEmbedResponse(body, packed)
		if err != nil || reading.Usage.GetInputTokens() != want.Usage.GetInputTokens() {
			t.Fatalf("%s: %v %v", id, reading, err)
		}
		got, err := openai.DecodeEmbedResponse(converted, false)
		if err != nil || len(got.List) != len(want.List) {
			t.Fatalf("%s: %v", id, err)
		}
		for i, e := range got.List {
			first := object.Elements(rawjson.Get(converted, "data"))[i]
			if (rawjson.Kind(rawjson.Get(first, "embedding")) == 's') != packed {
				t.Errorf("%s: not in the form asked for", id)
			}
			for j, x := range e.GetValues() {
				if x != want.List[i].GetValues()[j] {
					t.Fatalf("%s: value %d is %v", id, j, x)
				}
			}
		}
	}
}

func TestEmbedRequests(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a text":         `{"model":"m","input":"x","encoding_format":"base64","dimensions":5,"user":"u"}`,
		"texts":          `{"model":"m","input":["x","y"],"encoding_format":"float"}`,
		"tokens":         `{"model":"m","input":[1,2]}`,
		"lists":          `{"model":"m","input":[[1,2],[3]],"encoding_format":null}`,
		"unknown fields": `{"model":"m","input":"x","input_type":"query","dimensions":1.0,"a.b":{"c":1}}`,
	} {
		again, err := embedRequestAgain([]byte(body))
		if err != nil || !object.Equal([]byte(body), again) {
			t.Errorf("%s: %s %v", name, again, err)
		}
	}
	for field, body := range map[string]string{
		"input": `{"model":"m"}`, "input ": `{"input":""}`, "input  ": `{"input":[]}`, "input   ": `{"input":{}}`,
		"input[1]": `{"input":["x",[1]]}`, "input[0]": `{"input":[1.5]}`, "input[1] ": `{"input":["x",""]}`, "input[0][1]": `{"input":[[1,"x"]]}`,
		"dimensions": `{"input":"x","dimensions":"5"}`, "user": `{"input":"x","user":5}`,
	} {
		_, err := openai.DecodeEmbedRequest([]byte(body))
		if got := fieldOf(err); got == "" || got != string(bytes.TrimSpace([]byte(field))) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for field, body := range map[string]string{
		"model": `{"input":"x"}`, "input": `{"model":"m","input":{}}`, "encoding_format": `{"model":"m","input":"x","encoding_format":"int8"}`,
	} {
		if _, err := openai.ReadEmbedFacts([]byte(body)); fieldOf(err) != field {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestEmbedResponses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"whole":            `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-5,3]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`,
		"base64":           `{"data":[{"embedding":"AAAAPwAAgL8="}]}`,
		"odd":              `{"object":"list","id":"x","data":[{"object":"e","index":7,"embedding":[0.123456789123],"x":1},{"index":-1,"embedding":[]}],"model":null,"usage":{"prompt_tokens":1,"x":2}}`,
		"usage is null":    `{"data":[],"usage":null}`,
		"index is no such": `{"data":[{"index":1.0,"embedding":[1]},{"index":"1","embedding":[1]}]}`,
	} {
		e, err := openai.DecodeEmbedResponse([]byte(body), true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again := openai.EncodeEmbedResponse(e, name == "base64"); !object.Equal([]byte(body), again) {
			t.Errorf("%s: %s", name, again)
		}
	}
	for name, body := range map[string]string{
		"a page": "<html>", "no data": `{}`, "a word": `{"data":[{"embedding":"?"}]}`, "three bytes": `{"data":[{"embedding":"AAAA"}]}`,
		"null": `{"data":[{"embedding":[null]}]}`, "nothing": `{"data":[{}]}`, "too large": `{"data":[{"embedding":[1e300]}]}`,
	} {
		if _, err := openai.DecodeEmbedResponse([]byte(body), false); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openai.DecodeEmbedResponse([]byte(`{"error":{"message":"x","code":429}}`), false); metadata(err, "http_status") != "429" {
		t.Errorf("an error: %v", err)
	}
}

func TestEmbedResponsesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	body := []byte(` {"data" : [ {"embedding": [1.50, 2] , "index":0}], "x":1 } `)
	got, _, err := openai.ReadEmbedResponse(body, false)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s, %v", got, err)
	}
	got, _, err = openai.ReadEmbedResponse(body, true)
	if want := ` {"data" : [ {"embedding": "AADAPwAAAEA=" , "index":0}], "x":1 } `; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got := openai.RewriteModel([]byte(`{"model":"a"}`), dialect.Facts{Model: "a", ModelAt: dialect.Span{At: 9, End: 12}}, "b"); string(got) != `{"model":"b"}` {
		t.Errorf("%s", got)
	}
	e := &openai.Embeddings{List: []*llmv1.Embedding{{Values: []float32{1.5}, Extensions: map[string]string{"embedding": "[1.50]"}}}}
	if got := openai.EncodeEmbedResponse(e, true); !bytes.Contains(got, []byte(`"AADAPw=="`)) {
		t.Errorf("%s", got)
	}
}

func TestCountInputs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"input":"a"}`: 1, `{"input":["a","b"]}`: 2, `{"input":[1,2,3]}`: 1, `{"input":[[1],[2],[3,4]]}`: 3, `{}`: 1,
	} {
		if got := openai.CountInputs([]byte(body)); got != want {
			t.Errorf("%s: %d", body, got)
		}
	}
}
