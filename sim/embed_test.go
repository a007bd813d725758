package sim

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
)

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	embed := func(path, rest string) exchanged {
		return send(t, srv, http.MethodPost, path+"/v1/embeddings", `{"model":"text-embedding-3-small",`+rest+`}`, "Authorization", "Bearer k")
	}
	for name, tt := range map[string]struct {
		rest          string
		count, tokens int
	}{
		"text":          {`"input":"the gate"`, 1, 2},
		"texts":         {`"input":["the gate","the river","a"]`, 3, 5},
		"tokens":        {`"input":[5,6,7]`, 1, 3},
		"token lists":   {`"input":[[5,6],[7]]`, 2, 3},
		"fewer numbers": {`"input":"the gate","dimensions":7`, 1, 2},
		"with a user":   {`"input":"the gate","user":"u"`, 1, 2},
	} {
		plain, packed := embed("", tt.rest), embed("", tt.rest+`,"encoding_format":"base64"`)
		data, _ := dig(t, plain.body, "data").([]any)
		if len(data) != tt.count || dig(t, plain.body, "usage", "prompt_tokens") != float64(tt.tokens) || dig(t, plain.body, "usage", "total_tokens") != float64(tt.tokens) {
			t.Errorf("%s: %.200s", name, plain.body)
		}
		for i := range data {
			numbers, _ := dig(t, plain.body, "data", i, "embedding").([]any)
			text, _ := dig(t, packed.body, "data", i, "embedding").(string)
			raw, err := base64.StdEncoding.DecodeString(text)
			want := 1536
			if strings.Contains(tt.rest, "dimensions") {
				want = 7
			}
			if err != nil || len(raw) != 4*len(numbers) || len(numbers) != want {
				t.Fatalf("%s: %v, %d bytes, %d numbers", name, err, len(raw), len(numbers))
			}
			var norm float64
			for j, n := range numbers {
				f := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
				if float32(n.(float64)) != f {
					t.Fatalf("%s: number %d is %v, packed %v", name, j, n, f)
				}
				norm += float64(f) * float64(f)
			}
			if math.Abs(norm-1) > 1e-5 {
				t.Errorf("%s: the length is %v", name, math.Sqrt(norm))
			}
		}
	}
}

func TestEmbeddingsOfLikeTextsAreNear(t *testing.T) {
	t.Parallel()
	e := embedAsk{model: Model{ID: "m"}, dimensions: 512}
	at := func(text string) []float32 { return e.vector("", words(text)) }
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	q := at("how wide is the gate")
	near, far := dot(q, at("How wide is the old gate?")), dot(q, at("nobody sells bread here"))
	if near < 0.6 || far > 0.3 || dot(q, at("how wide is the gate")) < 0.999 {
		t.Errorf("near %v, far %v", near, far)
	}
}

func TestEmbeddingsRefuse(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	for body, want := range map[string]string{
		`{"model":"text-embedding-3-small"}`:                                     "400 Missing required parameter: 'input'.",
		`{"model":"text-embedding-3-small","input":""}`:                          "400 Invalid 'input': input cannot be an empty string.",
		`{"model":"text-embedding-3-small","input":[]}`:                          "400 '$.input' is invalid.",
		`{"model":"text-embedding-3-small","input":[{}]}`:                        "400 Invalid type for 'input'",
		`{"model":"text-embedding-3-small","input":"x","dimensions":9999}`:       "400 Invalid 'dimensions'",
		`{"model":"text-embedding-3-small","input":"x","encoding_format":"hex"}`: "400 Invalid value: 'hex'.",
		`{"model":"text-embedding-3-small","input":"x","wizardry":1}`:            "400 Unknown parameter: 'wizardry'.",
		`{"model":"gpt-4o","input":"x"}`:                                         "403 You are not allowed",
		`{"model":"nobody","input":"x"}`:                                         "404 The model `nobody`",
	} {
		res := send(t, srv, http.MethodPost, "/v1/embeddings", body, "Authorization", "Bearer k")
		if got := fmt.Sprint(res.StatusCode, " ", dig(t, res.body, "error", "message")); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"model":"bge-m3","input":"x"}`:                  "200",
		`{"input":"x"}`:                                   "200",
		`{"model":"bge-m3","input":"x","dimensions":7}`:   "400",
		`{"model":"qwen3-8b","input":"x"}`:                "400",
		`{"model":"text-embedding-3-small","input":"x"}`:  "404",
		`{"model":"bge-m3","input":"x","wizardry":"yes"}`: "200",
	} {
		if res := send(t, srv, http.MethodPost, "/vllm/v1/embeddings", body); fmt.Sprint(res.StatusCode) != want {
			t.Errorf("vLLM, %s: %d %.200s", body, res.StatusCode, res.body)
		}
	}
	if res := chat(t, srv, `{"model":"text-embedding-3-small","messages":[{"role":"user","content":"x"}]}`, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("chat with an embedding model: %d", res.StatusCode)
	}
}
