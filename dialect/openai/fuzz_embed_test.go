package openai_test

import (
	"bytes"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

var embedRequests = []string{
	`{"model":"e","input":"x","encoding_format":"base64","dimensions":3,"user":"u","x":{"y":[1]}}`,
	`{"model":"e","input":["x","y"],"encoding_format":"float"}`,
	`{"model":"e","input":[1,2]}`,
	`{"model":"e","input":[[1,2],[3]],"dimensions":1.0}`,
}

var embedAnswers = []string{
	`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-7,3]},{"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"e","usage":{"prompt_tokens":2,"total_tokens":2}}`,
	`{"data":[{"embedding":[0.1,0.30000001192092896]}],"usage":null}`,
	`{"object":"list","data":[],"model":null,"id":"x","usage":{"prompt_tokens":2,"total_tokens":3,"completion_tokens":0}}`,
}

func FuzzEmbedRequest(f *testing.F) {
	for i, seed := range embedRequests {
		f.Add([]byte(seed), uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		for _, body := range [][]byte{body, mutated(string(body), seed), mutated(embedRequests[seed%uint64(len(embedRequests))], seed)} {
			again, err := embedRequestAgain(body)
			if err == nil && !object.Equal(bytes.TrimSpace(body), again) {
				t.Fatalf("%s became %s, which differs by %v", body, again, object.Diff(bytes.TrimSpace(body), again))
			}
		}
	})
}

func FuzzEmbedResponse(f *testing.F) {
	for i, seed := range embedAnswers {
		f.Add([]byte(seed), uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		for _, body := range [][]byte{body, mutated(string(body), seed), mutated(embedAnswers[seed%uint64(len(embedAnswers))], seed)} {
			exactVectors(t, body)
		}
	})
}

// exactVectors: an answer comes out as it went in, in the form that its vectors had, and in both forms it is JSON with
// vectors in that form.
func exactVectors(t *testing.T, body []byte) {
	t.Helper()
	e, err := openai.DecodeEmbedResponse(body, true)
	if err != nil {
		return
	}
	numbers, packed := 0, 0
	for _, element := range object.Elements(rawjson.Get(body, "data")) {
		if rawjson.Kind(rawjson.Get(element, "embedding")) == 's' {
			packed++
		} else {
			numbers++
		}
	}
	if again := openai.EncodeEmbedResponse(e, packed > 0); (numbers == 0 || packed == 0) && !object.Equal(bytes.TrimSpace(body), again) {
		t.Fatalf("%s became %s, which differs by %v", body, again, object.Diff(bytes.TrimSpace(body), again))
	}
	for _, base64 := range []bool{true, false} {
		converted, _, err := openai.ReadEmbedResponse(body, base64)
		if err != nil || rawjson.Check(converted, dialect.MaxAnswerDepth) != nil {
			t.Fatalf("%v: %s became %s", err, body, converted)
		}
		for _, element := range object.Elements(rawjson.Get(converted, "data")) {
			if isText := rawjson.Kind(rawjson.Get(element, "embedding")) == 's'; isText != base64 {
				t.Fatalf("base64 %v: %s became %s", base64, body, converted)
			}
		}
	}
}
