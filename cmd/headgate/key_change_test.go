package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/apikey"
)

// TestKeyChanges: flags change what they name and nothing else, and a rotation shows its secret alone on standard output.
func TestKeyChanges(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"HEADGATE_KEYS_ADDR": keysProcess(t), "HEADGATE_ADMIN_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
	run := func(args ...string) string {
		t.Helper()
		out, errs, err := shell(t, vars, args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, errs)
		}
		return out
	}
	secret := run("create", "--name", "CI of search", "--models", "claude-*", "--requests-per-minute", "60", "--tpm", "1000",
		"--concurrency", "5", "--budget", "10", "--budget-period", "day", "--expires", "30d", "--env", "ci")
	id := strings.Fields(strings.Split(run("list"), "\n")[1])[0]
	run("update", id, "--name", "CI", "--requests-per-minute", "6", "--tpm", "0", "--models", "all", "--expires", "never")
	if got := run("get", id); !strings.Contains(got, "6 requests/min, 5 at once, $10.00/day") || !hasLine(got, "name", "CI") ||
		!hasLine(got, "models", "all") || !hasLine(got, "expires", "never") || !hasLine(got, "rotated", "never") {
		t.Errorf("updated:\n%s", got)
	}
	if got := run("update", "--json", id, "--budget", "0", "--models", "o3"); !json.Valid([]byte(got)) || strings.Contains(got, "budget") || !strings.Contains(got, `"o3"`) {
		t.Errorf("update --json:\n%s", got)
	}
	next, errs, err := shell(t, vars, "rotate", id, "--keep", "1d")
	if next = strings.TrimSpace(next); err != nil || !apikey.WellFormed(next) || !strings.HasPrefix(next, "hg_ci_") || next == strings.TrimSpace(secret) ||
		strings.Contains(errs, next) || !strings.Contains(errs, "is valid, too, until") || !strings.Contains(errs, "keep it now") {
		t.Errorf("rotate: %q, %v\n%s", next, err, errs)
	}
	if got := run("get", id); !strings.Contains(got, "the old secret is valid until") || !strings.Contains(got, apikey.Hint(next)) {
		t.Errorf("rotated:\n%s", got)
	}
	if _, errs, err := shell(t, vars, "rotate", id); err != nil || !strings.Contains(errs, "has ended: every node refuses it within a second") {
		t.Errorf("rotate: %v\n%s", err, errs)
	}
	if got := run("rotate", "--json", id); !json.Valid([]byte(got)) || !strings.Contains(got, `"secret": "hg_ci_`) {
		t.Error("rotate --json isn't JSON with a secret")
	}
}

// hasLine reports whether a table has a line of this name and value.
func hasLine(table, name, value string) bool {
	return regexp.MustCompile(`(?m)^` + name + ` +` + regexp.QuoteMeta(value) + `$`).MatchString(table)
}
