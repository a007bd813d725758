package apikey_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/apikey"
)

func TestNewIsWellFormedAndFresh(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, env := range []string{"live", "test", "a1", "", "Live", "with_underscore", strings.Repeat("x", 17), "é"} {
		key := apikey.New(env)
		if !apikey.WellFormed(key) {
			t.Errorf("New(%q) = %q isn't well formed", env, key)
		}
		if seen[key] {
			t.Errorf("%q came twice", key)
		}
		seen[key] = true
	}
	if key := apikey.New("test"); !strings.HasPrefix(key, "hg_test_") || len(key) != len("hg_test_")+36 {
		t.Errorf("New gave %q", key)
	}
	if key := apikey.New("No!"); !strings.HasPrefix(key, "hg_live_") {
		t.Errorf("New gave %q", key)
	}
}

// TestEveryMistypedCharacterIsFound changes each character in turn.
func TestEveryMistypedCharacterIsFound(t *testing.T) {
	t.Parallel()
	key := apikey.New("live")
	for i := range len(key) {
		for _, c := range []byte{'a', 'Z', '0', '_', ' ', 0xff} {
			if key[i] == c {
				continue
			}
			if bad := key[:i] + string([]byte{c}) + key[i+1:]; apikey.WellFormed(bad) {
				t.Errorf("%q passes for %q", bad, key)
			}
		}
	}
}

// TestChecksumIsFixed holds the format still: keys in people's hands must stay valid.
func TestChecksumIsFixed(t *testing.T) {
	t.Parallel()
	if !apikey.WellFormed("hg_live_0123456789ABCDEFGHIJKLMNOPQRST0JVE6p") {
		t.Error("the checksum of a known key has changed")
	}
}

func TestWellFormedAllocatesNothing(t *testing.T) {
	key := apikey.New("live")
	if n := testing.AllocsPerRun(100, func() { apikey.WellFormed(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add(apikey.New("live"))
	f.Add("hg_live_")
	f.Add("hg__" + strings.Repeat("0", 36))
	f.Fuzz(func(t *testing.T, key string) {
		if !apikey.WellFormed(key) {
			return
		}
		if !strings.HasPrefix(key, apikey.Prefix) || strings.Count(key, "_") != 2 || len(key) > 3+16+1+36 {
			t.Errorf("%q passes", key)
		}
		if apikey.WellFormed(key+"0") || apikey.WellFormed(" "+key) {
			t.Errorf("%q passes with more around it", key)
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		apikey.New("ci2"): "ci2", apikey.Hint(apikey.New("live")): "live", "hg_a_": "a", "hg_a": "", "hg__a": "", "hg_A_b": "", "sk-a_b": "", "": "",
	} {
		if got := apikey.Environment(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
