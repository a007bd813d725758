package promises_test

import (
	"bytes"
	"fmt"
	"strings"
)

// judge is promise S1.
func judge(s sight, attempts []*spoken) error {
	if s.end == refused {
		return nil
	}
	for _, a := range attempts {
		if a.explains(s) {
			return nil
		}
	}
	if s.empty() && s.end != terminal {
		return nil
	}
	return fmt.Errorf("what came is no attempt's (%s)", s.end)
}

// explains reports whether a client that got this attempt may have seen what it saw.
func (a *spoken) explains(s sight) bool {
	if a.typed != nil {
		s.text = strings.ReplaceAll(s.text, "stray", "") // they said so
		return s.begins(*a.typed) && (s.end != terminal || s.equals(*a.typed))
	}
	if a.unary {
		return a.explainsWhole(s)
	}
	switch a.plan.how {
	case corrupt, wire: // what stands before the bent byte is sure; nobody can know about the rest
		sure := said(a.path, wholeFrames(a.full[:a.left]))
		sure.whole = false
		return sure.begins(s.content) || (s.begins(sure) && s.end != terminal) || (s.thoughts == "" && sure.thoughts != "" && strings.HasPrefix(s.text, sure.text))
	}
	whole := said(a.path, a.full)
	if s.end == terminal {
		sent := said(a.path, a.full[:a.left])
		// TGI's older servers end without [DONE]: there a finish is the end
		return (sent.whole || (sent.finished && strings.HasPrefix(a.path, "/tgi/"))) && s.equals(whole)
	}
	return s.begins(whole)
}

// explainsWhole is explains for an answer that isn't a stream: all of it, or a connection that broke.
func (a *spoken) explainsWhole(s sight) bool {
	if s.end == brokenOff || a.plan.how == corrupt || a.plan.how == wire {
		return true
	}
	c, ok := saidWhole(a.path, a.full[:a.left])
	return ok && s.equals(c)
}

// wholeFrames leaves out the frame that the end cuts.
func wholeFrames(b []byte) []byte {
	i := max(bytes.LastIndex(b, []byte("\n\n")), bytes.LastIndex(b, []byte("\r\n\r\n")))
	if i < 0 {
		return nil
	}
	return b[:i]
}
