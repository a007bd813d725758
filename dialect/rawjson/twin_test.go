package rawjson_test

import (
	"testing"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

const learned = `{"id":"1","choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}`

// value is the content of the learned text, in place.
func value(t *testing.T, data []byte) []byte {
	t.Helper()
	var quoted []byte
	cur := rawjson.NewCursor(data, 9)
	cur.Object()
	cur.Member()
	cur.Skip()
	cur.Member()
	cur.Array()
	cur.Element()
	cur.Object()
	cur.Member()
	cur.Object()
	cur.Member()
	if quoted = cur.Value(); string(quoted) != `"Hi"` {
		t.Fatalf("the cursor is at %s", quoted)
	}
	return quoted
}

func TestTwin(t *testing.T) {
	t.Parallel()
	around := func(content string) string {
		return `{"id":"1","choices":[{"delta":{"content":"` + content + `"},"finish_reason":null}]}`
	}
	cases := []struct {
		name, data, want string
		ok               bool
	}{
		{"the same", learned, "Hi", true},
		{"longer", around("Hello, world"), "Hello, world", true},
		{"empty", around(""), "", true},
		{"not ASCII", around("äöü 🙂"), "äöü 🙂", true},
		{"an escape", around(`a\n`), "", false},
		{"a quote ends it", around(`a","x":"b`), "", false},
		{"a control character", around("a\x01"), "", false},
		{"invalid UTF-8", around("a\xff"), "", false},
		{"another id", `{"id":"2","choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}`, "", false},
		{"another end", `{"id":"1","choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}`, "", false},
		{"head and tail overlap", `{"id":"1","choices":[{"delta":{"content":"},"finish_reason":null}]}`, "", false},
		{"nothing", "", "", false},
	}
	var twin rawjson.Twin
	if _, ok := twin.Match([]byte(learned)); ok {
		t.Error("the zero value knows a text")
	}
	data := []byte(learned)
	twin.Learn(data, value(t, data))
	clear(data) // it isn't kept
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok := twin.Match([]byte(c.data))
			if string(got) != c.want || ok != c.ok {
				t.Errorf("%q, %v", got, ok)
			}
			if ok && rawjson.Check([]byte(c.data), 9) != nil {
				t.Error("it isn't even JSON")
			}
		})
	}
}

// TestTwinLearnsOnlyItsOwn: a value from elsewhere leaves nothing known.
func TestTwinLearnsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	var twin rawjson.Twin
	data := []byte(learned)
	for name, quoted := range map[string][]byte{"a copy": []byte(`"Hi"`), "nil": nil, "no string": data[:1]} {
		if twin.Learn(data, quoted); name != "" {
			if _, ok := twin.Match(data); ok {
				t.Errorf("%s was learned", name)
			}
		}
	}
}

func BenchmarkTwin(b *testing.B) {
	data := []byte(`{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" retrieval"},"logprobs":null,"finish_reason":null}]}`)
	at := len(data) - len(`" retrieval"},"logprobs":null,"finish_reason":null}]}`)
	var twin rawjson.Twin
	twin.Learn(data, data[at:at+len(`" retrieval"`)])
	for b.Loop() {
		if _, ok := twin.Match(data); !ok {
			b.Fatal("no match")
		}
	}
}
