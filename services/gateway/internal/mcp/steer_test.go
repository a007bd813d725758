package mcp

import (
	"slices"
	"testing"

	"github.com/headgate-mesh/headgate/kit/meta"
)

// TestSteering: a client's configuration steers all of its calls, and a tool's arguments one of them; a label is raised and
// never lowered.
func TestSteering(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, header, value string
		arguments           string
		want                map[string]string
	}{
		{"headers", "X-Headgate-Timeout-Ms", "500", ``, map[string]string{meta.TimeoutMS: "500"}},
		{"a route", "X-Headgate-Route", "cheap", ``, map[string]string{meta.Route: "cheap"}},
		{"what isn't ASCII", "X-Headgate-Route", "b\xc3\xa9", ``, map[string]string{meta.Route: "b?"}},
		{"another header", "X-Other", "x", ``, map[string]string{"x-other": ""}},
		{"a label", "X-Other", "x", `"sensitivity":"medium"`, map[string]string{meta.Sensitivity: "medium"}},
		{"a label raised", meta.Sensitivity, "low", `"sensitivity":"high"`, map[string]string{meta.Sensitivity: "high"}},
		{"a label not lowered", meta.Sensitivity, "high", `"sensitivity":"none"`, map[string]string{meta.Sensitivity: "high"}},
		{"a label misspelt", meta.Sensitivity, "hihg", `"sensitivity":"none"`, map[string]string{meta.Sensitivity: "hihg"}},
		{"an empty label", meta.Sensitivity, " ", `"sensitivity":"none"`, map[string]string{meta.Sensitivity: "none"}},
		{"tags", "X-Other", "x", `"tags":{"b":"2","a":"1"}`, map[string]string{meta.Tags: "a=1,b=2"}},
		{"more tags", meta.Tags, "team=x", `"tags":{"a":"1"}`, map[string]string{meta.Tags: "team=x,a=1"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range []string{"chat", "count_tokens", "explain_route"} {
				r := &router{}
				arguments := `{"model":"m","prompt":"Hi"`
				if c.arguments != "" {
					arguments += "," + c.arguments
				}
				resp, body := answered(t, serve(t, options(r)),
					`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+arguments+`}}}`, c.header, c.value)
				if resp.StatusCode != 200 {
					t.Fatalf("%d %s", resp.StatusCode, body)
				}
				for name, want := range c.want {
					var wanted []string
					if want != "" {
						wanted = []string{want}
					}
					if got := r.metadata.Get(name); !slices.Equal(got, wanted) {
						t.Errorf("%s: %s is %q, want %q", tool, name, got, wanted)
					}
				}
			}
		})
	}
}
