package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/telemetry"
)

func TestLoggerHidesSecrets(t *testing.T) {
	t.Parallel()
	const key = "hg_live_0123456789abcdefghij0123456789abcdef"
	const openai, anthropic = "sk-proj-0123456789abcdefghij", "sk-ant-api03-0123456789_abc-DEF"
	for _, format := range []string{"json", "text", ""} {
		var out bytes.Buffer
		l, err := telemetry.Logger(&out, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		l.Info("key "+key+" was used", "a", openai, "err", errors.New("header Bearer abcdefghijklmnop, x"))
		l.With("s", anthropic).WithGroup("g").Warn("x", slog.Group("deep", "v", key), "list", []string{openai}, "map", map[string]string{"x": anthropic})
		l.Error("x", "api_key", "plain-1", "X-Api-Key", "plain-2", "Authorization", "plain-3", "db.password", "plain-4",
			"client_secret", "plain-5", "access_token", "plain-6", "set-cookie", "plain-7", "privateKey", "plain-8", "token", 12345678)
		l.Info("x", "twice", key+" "+key, "bearer", "authorization: bearer eyJhbGciOi.J9.x-y_z")
		for _, secret := range []string{key[12:], openai[5:], anthropic[8:], "abcdefghijklmnop", "plain-", "12345678", "eyJhbGciOi"} {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%s: %q is in the log:\n%s", format, secret, out.String())
			}
		}
	}
}

func TestLoggerKeepsWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l, err := telemetry.Logger(&out, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	l.Debug("hidden by level")
	l.Info("sk-learn and hg_x", "input_tokens", 12, "max_tokens", 34, "key_id", "k-56", "request_id", "req_78", "keyboard", "dvorak")
	for _, want := range []string{"sk-learn and hg_x", "input_tokens=12", "max_tokens=34", "key_id=k-56", "req_78", "dvorak"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hidden") {
		t.Error("the level isn't kept")
	}
}

func TestLoggerRefusesNonsense(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.Logger(nil, "loud", ""); err == nil {
		t.Error("level loud")
	}
	if _, err := telemetry.Logger(nil, "", "xml"); err == nil {
		t.Error("format xml")
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("hg_live_0123456789abcdef Bearer sk-0123456789abcdefg"))
	f.Add([]byte("Bearer Bearer Bearer xxxxxxxx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		once := telemetry.Mask(text)
		if !bytes.Equal(text, before) {
			t.Error("the input was changed")
		}
		if twice := telemetry.Mask(bytes.Clone(once)); !bytes.Equal(once, twice) {
			t.Errorf("masking %q again gives %q", once, twice)
		}
	})
}
