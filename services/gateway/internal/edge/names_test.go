package edge

import (
	"net/http"
	"slices"
	"testing"
)

func TestSpelling(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"content-type", "x-headgate-upstream-request-id", "x-nobodys-own", "a"} {
		if got, want := spelling(name), http.CanonicalHeaderKey(name); got != want {
			t.Errorf("%s is spelt %s, want %s", name, got, want)
		}
	}
	h := http.Header{}
	f := fieldsOf(h, 2)
	f.add("retry-after", "1")
	f.set("content-type", "a/b")
	f.add("retry-after", "2")
	f.set("content-type", "c/d")
	if got := h["Retry-After"]; !slices.Equal(got, []string{"1", "2"}) || h.Get("Content-Type") != "c/d" || len(h) != 2 {
		t.Errorf("%v", h)
	}
}
