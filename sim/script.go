package sim

import (
	"errors"
	"fmt"
	"strings"
)

// Script is a list of words, separated by commas or semicolons, that adds latency and faults to an answer, e.g.
// "ttft=200ms, chunk_delay=10ms, cut=5". The empty script is an ordinary answer. README.md explains every word.
type Script string

// maxAnswer bounds what chunks=N with chunk_bytes=M may ask for.
const maxAnswer = 16 << 20

// parseScript reads a script on top of what is already planned: a word replaces the same word of before.
func parseScript(p plan, script string) (plan, error) {
	isComma := func(r rune) bool { return r == ',' || r == ';' }
	for part := range strings.FieldsFuncSeq(script, isComma) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := p.word(name, strings.TrimSpace(value)); err != nil {
			return p, err
		}
	}
	if p.chunks*max(p.chunkBytes, 1) > maxAnswer {
		return p, fmt.Errorf("chunks times chunk_bytes is more than %d bytes", maxAnswer)
	}
	return p, nil
}

// word applies one word.
func (p *plan) word(name, value string) error {
	set, ok := vocabulary[name]
	if !ok {
		return fmt.Errorf("unknown script word %q", name)
	}
	if err := set(p, value); err != nil {
		return fmt.Errorf("script word %q: %w", name, err)
	}
	return nil
}

// vocabulary is every word of the script language.
var vocabulary = map[string]func(*plan, string) error{
	"none":           func(p *plan, v string) error { *p = newPlan(); return bare(v) },
	"status":         number(400, 599, func(p *plan) *int { return &p.status }),
	"code":           func(p *plan, v string) error { p.code = v; return needed(v) },
	"retry_after":    text(seconds, func(p *plan) *string { return &p.retryAfter }),
	"retry_after_ms": text(seconds, func(p *plan) *string { return &p.retryAfterMS }),
	"should_retry":   text(oneOf("true", "false"), func(p *plan) *string { return &p.shouldRetry }),
	"times":          number(1, 1<<30, func(p *plan) *int { return &p.times }),

	"header_delay": delay(func(p *plan) *pause { return &p.headerDelay }),
	"ttft":         delay(func(p *plan) *pause { return &p.ttft }),
	"chunk_delay":  delay(func(p *plan) *pause { return &p.chunkDelay }),
	"slow":         slow,

	"chunks":      number(1, 1<<20, func(p *plan) *int { return &p.chunks }),
	"chunk_bytes": number(1, 1<<20, func(p *plan) *int { return &p.chunkBytes }),
	"split":       number(1, 1<<20, func(p *plan) *int { return &p.split }),
	"crlf":        flag(func(p *plan) *bool { return &p.crlf }),
	"comments":    flag(func(p *plan) *bool { return &p.comments }),
	"padding":     toggle(func(p *plan) *bool { return &p.padding }),
	"obfuscation": flag(func(p *plan) *bool { return &p.obfuscation }),
	"cache":       text(oneOf("read", "write"), func(p *plan) *string { return &p.cache }),

	"tight":     flag(func(p *plan) *bool { return &p.tight }),
	"reasoning": text(oneOf("reasoning", "reasoning_content", "both", "think"), func(p *plan) *string { return &p.reasoning }),
	"finish":    flag(func(p *plan) *bool { return &p.finish }),
	"running":   number(0, 1<<30, func(p *plan) *int { return &p.running }),
	"waiting":   number(0, 1<<30, func(p *plan) *int { return &p.waiting }),
	"kv_cache":  kvCache,

	"cut":         number(0, 1<<30, func(p *plan) *int { return &p.cut }),
	"cut_bytes":   number(0, 1<<30, func(p *plan) *int { return &p.cutBytes }),
	"reset":       number(0, 1<<30, func(p *plan) *int { return &p.reset }),
	"reset_bytes": number(0, 1<<30, func(p *plan) *int { return &p.resetBytes }),
	"stall":       number(0, 1<<30, func(p *plan) *int { return &p.stall }),
	"malformed":   number(1, 1<<30, func(p *plan) *int { return &p.malformed }),
	"error":       number(0, 1<<30, func(p *plan) *int { return &p.failAt }),
	"no_terminal": flag(func(p *plan) *bool { return &p.noTerminal }),

	"refuse":     flag(func(p *plan) *bool { return &p.refuse }),
	"garbage":    garbage,
	"empty":      flag(func(p *plan) *bool { return &p.empty }),
	"early":      flag(func(p *plan) *bool { return &p.early }),
	"hang":       flag(func(p *plan) *bool { return &p.hang }),
	"overloaded": flag(func(p *plan) *bool { return &p.overloaded }),
	"flat":       flag(func(p *plan) *bool { return &p.flat }),
	"abort":      flag(func(p *plan) *bool { return &p.abort }),

	"batch_delay":       delay(func(p *plan) *pause { return &p.job.Delay }),
	"batch_line":        delay(func(p *plan) *pause { return &p.job.Line }),
	"batch_cancel":      delay(func(p *plan) *pause { return &p.job.Cancel }),
	"batch_late":        delay(func(p *plan) *pause { return &p.job.Late }),
	"batch_refuse":      flag(func(p *plan) *bool { return &p.job.Refuse }),
	"batch_expire":      number(0, 1<<30, func(p *plan) *int { return &p.job.Expire }),
	"batch_lost":        number(1, 1<<30, func(p *plan) *int { return &p.job.Lost }),
	"batch_create":      troubled(func(p *plan) *trouble { return &p.job.Create }),
	"batch_upload":      troubled(func(p *plan) *trouble { return &p.job.Upload }),
	"batch_poll":        troubled(func(p *plan) *trouble { return &p.job.Poll }),
	"batch_retry_after": text(seconds, func(p *plan) *string { return &p.job.RetryAfter }),
	"batch_cut":         number(1, 1<<30, func(p *plan) *int { return &p.job.Cut }),
	"batch_reset":       number(1, 1<<30, func(p *plan) *int { return &p.job.Reset }),
	"batch_missing":     number(1, 1<<30, func(p *plan) *int { return &p.job.Missing }),
	"batch_double":      number(1, 1<<30, func(p *plan) *int { return &p.job.Double }),
}

var (
	errNeedsValue = errors.New("needs a value")
	errNoValue    = errors.New("takes no value")
)

func bare(v string) error {
	if v != "" {
		return errNoValue
	}
	return nil
}

func needed(v string) error {
	if v == "" {
		return errNeedsValue
	}
	return nil
}
