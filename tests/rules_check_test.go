package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestConfigCheckOfRules: what is wrong with a rule is told before it can do harm, with its name, the place and advice.
func TestConfigCheckOfRules(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		rules string
		want  []string
	}{
		"an unknown name":        {`{name: r, when: 'sensitivty >= HIGH', model: hosted}`, []string{`rules[0].when`, `rule "r"`, "column 1", "did you mean sensitivity?"}},
		"later in the line":      {`{name: r, when: 'stream && modle == "x"', model: hosted}`, []string{"column 11", "did you mean model?"}},
		"a label in quotes":      {`{name: r, when: 'sensitivity >= "high"', model: hosted}`, []string{`rule "r"`, "column", "without quotes"}},
		"a detector nobody has":  {`{name: r, when: '"crad" in detected', model: hosted}`, []string{"never", `"crad"`, "did you mean card?"}},
		"no condition":           {`{name: r, when: 'input_tokens', model: hosted}`, []string{`rule "r"`, "true or false"}},
		"a model nobody has":     {`{name: r, when: 'true', model: hostd}`, []string{"rules[0].model", "did you mean hosted?", "known: "}},
		"a redaction nobody has": {`{name: r, when: 'true', redact: [crad]}`, []string{"rules[0].redact", "did you mean card?"}},
		"no trust":               {`{name: r, when: 'true', require_trust: homely}`, []string{"rules[0].require_trust", "must be none, low, medium, high or local"}},
		"a field nobody has":     {`{name: r, wen: 'true'}`, []string{"wen", "did you mean when?"}},
		"deny and more":          {`{name: r, when: 'true', deny: no, model: hosted}`, []string{"rules[0].deny"}},
		"two of a name":          {`{name: r, when: 'true'}, {name: r, when: 'false'}`, []string{"rules[1].name"}},
		"a loop over loops":      {`{name: r, when: 'tags.exists(a, tags.exists(b, tags.exists(c, a + b == c)))'}`, []string{`rule "r"`}},
		"another language":       {`{name: r, when: 'stream and model = "x"'}`, []string{"isn't an operator", "write &&"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "headgate.yaml")
			text := strings.ReplaceAll("providers:\n"+trusted+"rules: ["+c.rules+"]\n", "${UPSTREAM}", "127.0.0.1:1")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), mesh.Binary(t), "config", "check", "--config", file).CombinedOutput()
			if err == nil {
				t.Fatalf("it is sound: %s", out)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("without %q: %s", want, out)
				}
			}
		})
	}
}
