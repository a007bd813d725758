package main

import (
	"errors"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	at := func(us, cpu, memory float64) sample {
		s := summarize(load{answers: []answer{{}}}, 0, direct, scenario{chunks: 1})
		s.values[p50], s.values[cpuRequest], s.values[perStream], s.values[before] = us, cpu, memory, memory
		return s
	}
	r := &result{scenario: scenario{name: "load", chunks: 1}}
	r.samples[direct] = []sample{at(100, 1, 1), at(200, 1, 1)}
	r.samples[plain] = []sample{at(150, 50, 40), at(280, 50, 40)}
	r.samples[gate] = []sample{at(300, 75, 20), {failure: errors.New("three chunks short")}}
	got := report([]*result{r})
	for _, want := range []string{
		"| load | direct | ", " | 150 µs (100 µs to 200 µs) | ",
		"+65.0 µs (+50.0 µs to +80.0 µs)", // each round with its own direct window
		"| headgate / reverse proxy |", "2.00x", "1.50x", "0.50x",
		"Failed, not counted: load, headgate, round 2: three chunks short",
		"Resident memory of headgate around the load",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q isn't in\n%s", want, got)
		}
	}
	columns := strings.Count(header[:strings.Index(header, "\n")], "|")
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != columns {
			t.Errorf("not %d columns: %s", columns, line)
		}
	}
}

func TestReportOfNothingButFailures(t *testing.T) {
	t.Parallel()
	r := &result{scenario: scenario{name: "load"}}
	r.samples[gate] = []sample{{failure: errStatus}}
	if n := failed([]*result{r}); n != 1 {
		t.Errorf("%d windows failed", n)
	}
	if got := report([]*result{r}); !strings.Contains(got, "| load | headgate | failed |") {
		t.Errorf("got\n%s", got)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for want, us := range map[string]float64{"1.5 µs": 1.5, "150 µs": 150, "9999 µs": 9999, "12.0 ms": 12000, "4.950 s": 4.95e6, "-20.0 µs": -20} {
		if got := duration(us); got != want {
			t.Errorf("%v is %q, want %q", us, got, want)
		}
	}
	if got := signed(20); got != "+20.0 µs" {
		t.Errorf("got %q", got)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-dialect", "anthropic", "-quick", "-slow-rounds", "0"})
	if err != nil || o.dialect.path != "/v1/messages" || o.rounds != 2 || o.slowRounds != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
	if got := string(slowScenario(o).request("h", adminKey)); !strings.Contains(got, `"model":"claude-sonnet-4-5#chunks=20,chunk_delay=100ms"`) {
		t.Errorf("got %s", got)
	}
	var unknown dialect
	if unknown.set("klingon") == nil {
		t.Error("an unknown dialect is taken")
	}
}
