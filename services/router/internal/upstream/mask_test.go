package upstream_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

const ownKey = "headgates-own-credential-0123456789"

func TestMaskRemovesKeys(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"nothing to mask", `{"error":{"message":"the model is busy"}}`, `{"error":{"message":"the model is busy"}}`},
		{"own key by its value", `bad key ` + ownKey + `.`, `bad key [redacted].`},
		{"own key twice", ownKey + ownKey, `[redacted][redacted]`},
		{"own key within other text", `x` + ownKey + `y`, `x[redacted]y`},
		{"OpenAI", `key sk-proj-abc_DEF-123456 is wrong`, `key [redacted] is wrong`},
		{"OpenAI, shortened", `Incorrect API key provided: sk-ab***********wxyz.`, `Incorrect API key provided: [redacted].`},
		{"Anthropic", `sk-ant-api03-AAAABBBBCCCC`, `[redacted]`},
		{"Groq", `gsk_0123456789abcdef`, `[redacted]`},
		{"xAI", `xai-0123456789abcdef`, `[redacted]`},
		{"Google", `AIzaSyA0123456789abcdefghijklmnopqrstu`, `[redacted]`},
		{"Hugging Face", `hf_0123456789abcdef`, `[redacted]`},
		{"Headgate", `hg_0123456789abcdef`, `[redacted]`},
		{"bearer", `Authorization: Bearer eyJhbGciOi.J9.abc-_~+/=`, `Authorization: [redacted]`},
		{"bearer in any case", `authorization: bEARER  0123456789`, `authorization: [redacted]`},
		{"a key behind a JSON line break", `{"m":"your key:\nsk-abcdef123456"}`, `{"m":"your key:\n[redacted]"}`},
		{"a word that only looks like one", `ask-me task-list-of-things sk-abc`, `ask-me task-list-of-things sk-abc`},
		{"empty", ``, ``},
	}
	mask := upstream.NewMask(ownKey)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := string(mask.Bytes([]byte(c.in))); got != c.want {
				t.Errorf("Bytes(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

// TestMaskLeavesTheInput: a frame's bytes belong to the reader's buffer.
func TestMaskLeavesTheInput(t *testing.T) {
	t.Parallel()
	in := []byte("key " + ownKey + " and sk-abcdef123456")
	before := bytes.Clone(in)
	upstream.NewMask(ownKey).Bytes(in)
	if !bytes.Equal(in, before) {
		t.Errorf("the input became %q", in)
	}
}

// TestMaskWithoutKey: an empty key, or one too short to be a key, masks nothing by value.
func TestMaskWithoutKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "abc"} {
		if got := string(upstream.NewMask(key).Bytes([]byte("abc abc"))); got != "abc abc" {
			t.Errorf("with key %q: %q", key, got)
		}
	}
}

// TestMaskKeepsJSON: what a match may begin with can be the letter of a JSON escape.
func TestMaskKeepsJSON(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in string }{
		{"carriage return before k-", `{"m":"a\rk-abcdef123456"}`},
		{"backspace before earer", `{"m":"\bearer abcdefghijkl"}`},
		{"quote after", `{"m":"Bearer abcdefghijkl\"x\""}`},
		{"backslash after", `{"m":"sk-abcdef123456\\x"}`},
		{"unicode escape before", `{"m":"\u00e9sk-abcdef123456"}`},
		{"own key in a name and a value", `{"` + ownKey + `":"` + ownKey + `"}`},
		{"key at both ends", `"sk-abcdef123456 sk-abcdef123456"`},
	}
	mask := upstream.NewMask(ownKey)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mask.Bytes([]byte(c.in)); !json.Valid(got) {
				t.Errorf("%s is JSON, and became %s", c.in, got)
			}
		})
	}
}

// TestMaskKnowsItsKeyEscaped: JSON may write the same key with escapes, as PHP writes a slash.
func TestMaskKnowsItsKeyEscaped(t *testing.T) {
	t.Parallel()
	const key = "q29yZ2kvY29y/Z2kgY29yZ2k+Y29yZ2kg=="
	for name, spelling := range map[string]string{
		"slash":   strings.ReplaceAll(key, "/", `\/`),
		"plus":    strings.ReplaceAll(key, "+", `\u002b`),
		"PLUS":    strings.ReplaceAll(key, "+", `\u002B`),
		"equals":  strings.ReplaceAll(key, "=", `\u003d`),
		"literal": key,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said struct{ M string }
			masked := upstream.NewMask(key).Bytes([]byte(`{"m":"bad key ` + spelling + `"}`))
			if err := json.Unmarshal(masked, &said); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(said.M, key) {
				t.Errorf("a client reads the key: %q", said.M)
			}
		})
	}
}

func FuzzMask(f *testing.F) {
	f.Add("abcdef0123456789", []byte(`{"error":{"message":"Incorrect API key provided: sk-abcdef0123456789."}}`))
	f.Add("abcdef0123456789", []byte(`["Bearer sk-abcdef0123456789", 1, null, "\u0041"]`))
	f.Add("ABC", []byte("sk-ABCsk-ABCsk-ABC"))
	f.Add("", []byte(`"\\"`))
	f.Fuzz(func(t *testing.T, suffix string, data []byte) {
		if strings.ContainsFunc(suffix, notKeyLetter) {
			t.Skip("no key looks like this")
		}
		key := "sk-" + suffix + "0"
		for _, in := range [][]byte{data, append(bytes.Clone(data), key...)} {
			check(t, key, in)
		}
	})
}

func notKeyLetter(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func check(t *testing.T, key string, in []byte) {
	t.Helper()
	out := upstream.NewMask(key).Bytes(in)
	if bytes.Contains(out, []byte(key)) {
		t.Errorf("Bytes(%q) = %q still holds %q", in, out, key)
	}
	if json.Valid(in) && !json.Valid(out) {
		t.Errorf("Bytes(%q) = %q is JSON no more", in, out)
	}
}
