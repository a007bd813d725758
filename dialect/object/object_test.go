package object_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1.0`, `1`, true},
		{`1e2`, `100`, true},
		{`-0.5`, `-0.50`, true},
		{`12345678901234567890`, `12345678901234567891`, false},
		{`1e999999999`, `1e999999998`, false},
		{`"a"`, `"\u0061"`, true},
		{`{"a":1,"b":[2]}`, `{"b":[2.0],"a":1}`, true},
		{`{"a":null}`, `{}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`true`, `false`, false},
		{`null`, `0`, false},
	} {
		if got := object.Equal([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("Equal(%s, %s) = %v", c.a, c.b, got)
		}
	}
}

func TestLeftIsWhatNobodyTook(t *testing.T) {
	t.Parallel()
	r, ok := object.Read([]byte(`{"model":"m","n":1,"x":1.5,"odd":"1","none":null,"deep":{"a":true,"b.c":2},"empty":{},"text":""}`))
	if !ok || r.Text("model") != "m" || *r.Int("n") != 1 || *r.Float("x") != 1.5 {
		t.Fatal("known members aren't handed out")
	}
	if r.Int("odd") != nil || r.Text("none") != "" || r.Sub("empty") != nil || r.Text("text") != "" {
		t.Error("a member that would be written otherwise is handed out")
	}
	if sub := r.Sub("deep"); *sub.Bool("a") != true {
		t.Error("the inner object isn't read")
	}
	want := map[string]string{"odd": `"1"`, "none": "null", "empty": "{}", "text": `""`, `deep.b\.c`: "2"}
	got := r.Left()
	for path, value := range want {
		if got[path] != value {
			t.Errorf("%s is %q, want %q", path, got[path], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("left %v", got)
	}
}

func TestWriterSkipsWhatIsUnset(t *testing.T) {
	t.Parallel()
	var w object.Writer
	n, x, b := int64(0), 0.1, false
	w.Patched(map[string]string{"extra.deep": `"v"`, "drop": ""}, func() {
		w.Text("empty", "")
		w.Always("text", "")
		w.Int("n", &n)
		w.Int("none", nil)
		w.Float("x", &x)
		w.Bool("b", &b)
		w.Sub("nothing", func() {})
		w.Sub("sub", func() { w.Texts("t", []string{"a", "b"}) })
		w.Number("drop", 1)
	})
	const want = `{"text":"","n":0,"x":0.1,"b":false,"sub":{"t":["a","b"]},"extra":{"deep":"v"}}`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got %s", got)
	}
}

// TestManyMembers: an odd object costs what its size is, not the square of it.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&a, `,"k%d":1`, i)
		fmt.Fprintf(&b, `,"k%d":2`, 49_999-i)
	}
	actual, predicted := []byte("{"+a.String()[1:]+"}"), []byte("{"+b.String()[1:]+"}")
	r, ok := object.Read(actual)
	if !ok || *r.Int("k49999") != 1 || len(r.Left()) != 49_999 {
		t.Fatal("not read")
	}
	if diff := object.Diff(actual, predicted); len(diff) != 50_000 || !object.Equal(object.Patch(predicted, diff), actual) {
		t.Error("not the same")
	}
}

func FuzzPatchUndoesDiff(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1,"b":{"c":[1,{"d":null}]}}`, `{"a":2,"b":{"c":[1,{"e":"x"}]},"z":[]}`},
		{`{"":{"":1},"a.b":2,"a\\":{"b":3},".":{".":4}}`, `{"a":{"b":1},"":{}}`},
		{`[1,2,3]`, `[1,2]`},
		{`"x"`, `{}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, actual, predicted string) {
		a, p := []byte(actual), []byte(predicted)
		if rawjson.Check(a, 50) != nil || rawjson.Check(p, 50) != nil {
			t.Skip("no JSON within the depth that is taken")
		}
		diff := object.Diff(trim(a), trim(p))
		if got := object.Patch(trim(p), diff); !object.Equal(got, trim(a)) {
			t.Errorf("%s over %s by %v gives %s", a, p, diff, got)
		}
	})
}

func trim(data []byte) []byte {
	cur := rawjson.NewCursor(data, 100)
	return cur.Value()
}
