package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// full is a disk without room.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestLostOutput: no command ends well when its answer couldn't be written.
func TestLostOutput(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"HEADGATE_KEYS_ADDR": keysProcess(t), "HEADGATE_ADMIN_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
	file := written(t, "v.yaml", "")
	for _, args := range [][]string{
		{"help"},
		{"--version"},
		{"version"},
		{"help", "key"},
		{"key", "--help"},
		{"help", "key", "create"},
		{"usage", "-h"},
		{"config", "check", file},
		{"config", "print", file},
		{"key", "create", "--name", "z"},
		{"key", "create", "--name", "z", "--json"},
		{"key", "list"},
		{"key", "list", "--json"},
	} {
		var errs bytes.Buffer
		e := env{stdout: full{}, stderr: &errs, lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
		err := dispatch(t.Context(), e, args)
		if !errors.Is(err, errFull) && (err == nil || !strings.Contains(err.Error(), errFull.Error())) {
			t.Errorf("%v: %v", args, err)
		}
		if args[0] == "key" && args[1] == "create" && !strings.Contains(err.Error(), "headgate key rotate key_") {
			t.Errorf("%v doesn't say what to do: %v", args, err)
		}
	}
}

// TestUsageTablesAreWritten: tables that nobody reads row by row report it too.
func TestUsageTablesAreWritten(t *testing.T) {
	t.Parallel()
	out := &output{w: full{}}
	g := &grid{texts: 1}
	g.add("A")
	g.add("1")
	g.print(out, false)
	if err := out.judge(t.Context(), nil); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  string
		want  string
		error string
	}{
		{"help", "headgate help COMMAND", ""},
		{"--help", "headgate help COMMAND", ""},
		{"--version", version, ""},
		{"-v", version, ""},
		{"help key", "headgate key rotate ID", ""},
		{"help key rotate", "-keep", "help requested"},
		{"help batch", "headgate batch submit FILE", ""},
		{"help usage", "-events", "help requested"},
		{"help all", "-config", "help requested"},
		{"help config", "headgate config print", ""},
		{"help melt", "", `no command "melt"`},
		{"melt", "", `no command "melt"`},
	} {
		out, _, err := runIn(t, nil, strings.Fields(c.args)...)
		if !strings.Contains(out, c.want) || (c.error == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.error) {
			t.Errorf("%s: %v\n%s", c.args, err, out)
		}
	}
}
