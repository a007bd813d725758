package edge

import (
	"net/http"
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
	add(h, "retry-after", "1")
	add(h, "retry-after", "2")
	set(h, "content-type", "a/b")
	set(h, "content-type", "c/d")
	if len(h.Values("Retry-After")) != 2 || h.Get("Content-Type") != "c/d" || len(h) != 2 {
		t.Errorf("%v", h)
	}
}
