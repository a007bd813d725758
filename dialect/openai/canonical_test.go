package openai_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// story collects a typed stream and checks the order that headgate.llm.v1 promises: a start; for each part its start,
// deltas and end; a finish for every choice; usage.
type story struct {
	text              map[int32]string
	open              map[[2]int32]bool
	parts             map[int32]int32
	finished          map[int32]llmv1.FinishReason
	usage             *llmv1.TokenUsage
	id                string
	started, overlaps bool
}

func newStory() *story {
	return &story{text: map[int32]string{}, open: map[[2]int32]bool{}, parts: map[int32]int32{}, finished: map[int32]llmv1.FinishReason{}}
}

func (s *story) add(events ...*llmv1.StreamEvent) error {
	for _, e := range events {
		if s.started == (e.GetStart() != nil) || !s.fits(e) {
			return fmt.Errorf("out of order: %v", e)
		}
	}
	return nil
}

func (s *story) fits(e *llmv1.StreamEvent) bool {
	switch k := e.GetEvent().(type) {
	case *llmv1.StreamEvent_Start:
		s.started, s.id = true, k.Start.GetId()
	case *llmv1.StreamEvent_PartStart:
		c, i := k.PartStart.GetChoice(), k.PartStart.GetIndex()
		for at := range s.open {
			s.overlaps = s.overlaps || at[0] == c
		}
		s.open[[2]int32{c, i}] = true
		s.parts[c]++
		_, over := s.finished[c]
		return i == s.parts[c]-1 && !over && s.usage == nil
	case *llmv1.StreamEvent_PartDelta:
		d := k.PartDelta
		s.text[d.GetChoice()] += d.GetText()
		said := d.GetText() != "" || d.GetArguments() != "" || d.GetSignature() != "" || d.GetCitation() != nil
		return said && s.open[[2]int32{d.GetChoice(), d.GetIndex()}]
	case *llmv1.StreamEvent_PartEnd:
		at := [2]int32{k.PartEnd.GetChoice(), k.PartEnd.GetIndex()}
		open := s.open[at]
		delete(s.open, at)
		return open
	case *llmv1.StreamEvent_Usage:
		s.usage = k.Usage
		return len(s.finished) > 0 && len(s.open) == 0
	case *llmv1.StreamEvent_Finish:
		_, twice := s.finished[k.Finish.GetChoice()]
		s.finished[k.Finish.GetChoice()] = k.Finish.GetReason()
		for at := range s.open {
			twice = twice || at[0] == k.Finish.GetChoice()
		}
		return !twice
	}
	return true
}

// checkCanonical reads a stream without extensions, writes it in canonical form, and checks both.
func checkCanonical(t *testing.T, id string, body []byte) {
	t.Helper()
	body = bytes.Clone(body[:bytes.LastIndex(body, []byte("\n\n"))+len("\n\n")]) // what follows is half a frame
	if !bytes.Contains(body, []byte("[DONE]")) {
		body = sse.Append(body, "", []byte("[DONE]"))
	}
	decoder, encoder, told := openai.NewDecoder(false), openai.NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true}), newStory()
	want := map[int32]string{}
	var out []byte
	refused := false
	eachFrame(body, func(f sse.Frame) {
		if refused || f.Comment {
			return
		}
		events, err := decoder.Decode(f)
		if isReason(err, errorsv1.Reason_REASON_UNSUPPORTED) {
			refused = true
			return
		}
		if err == nil {
			err = told.add(events...)
		}
		if err != nil {
			t.Fatalf("%s: %v in %s", id, err, f.Data)
		}
		for _, e := range events {
			out, _ = encoder.Encode(out, e)
		}
		var c spoken
		if json.Unmarshal(f.Data, &c) == nil {
			want[0] += c.text()
		}
	})
	if refused {
		t.Logf("%s: not sayable without extensions", id)
		return
	}
	a := newAccumulator()
	eachFrame(encoder.End(out), func(f sse.Frame) {
		if err := a.add(f); err != nil {
			t.Fatalf("%s: %v in %s", id, err, f.Data)
		}
	})
	if err := a.complete(told.usage != nil); err != nil {
		t.Fatalf("%s: %v\n%s", id, err, out)
	}
	if got := a.said[0]; got != want[0] {
		t.Errorf("%s: the canonical form says %q, want %q", id, got, want[0])
	}
}

// accumulator demands of chunks what the helpers of OpenAI's SDKs for Python, TypeScript and Go demand together.
type accumulator struct {
	id               string
	roles, finishes  map[int]string
	content, refusal map[int]string
	said, reasoning  map[int]string
	calls            map[int][]call
	usages, details  int
	done             bool
}

type call struct{ id, kind, name, arguments string }

func newAccumulator() *accumulator {
	return &accumulator{
		roles: map[int]string{}, finishes: map[int]string{}, content: map[int]string{}, refusal: map[int]string{},
		said: map[int]string{}, reasoning: map[int]string{}, calls: map[int][]call{},
	}
}

type sdkChunk struct {
	ID, Object, Model *string
	Created           *int64
	Choices           *[]sdkChoice
	Usage             json.RawMessage
}

type sdkChoice struct {
	Index *int
	Delta *struct {
		Role, Content, Refusal, Reasoning *string
		Details                           []map[string]any `json:"reasoning_details"`
		ToolCalls                         []struct {
			Index    *int
			ID, Type string
			Function *struct {
				Name      string
				Arguments *string
			}
			Custom *struct {
				Name  string
				Input *string
			}
		} `json:"tool_calls"`
	}
	FinishReason *string `json:"finish_reason"`
}

func (a *accumulator) add(f sse.Frame) error {
	if string(f.Data) == "[DONE]" {
		a.done = true
		return nil
	}
	var fields map[string]json.RawMessage
	var c sdkChunk
	if err := json.Unmarshal(f.Data, &fields); err != nil {
		return err
	}
	if err := json.Unmarshal(f.Data, &c); err != nil {
		return err
	}
	switch _, failed := fields["error"]; {
	case failed, a.done, c.ID == nil, *c.ID == "", c.Created == nil, c.Model == nil, c.Object == nil, *c.Object != "chat.completion.chunk", c.Choices == nil, len(f.Event) > 0:
		return fmt.Errorf("a chunk that the SDKs refuse")
	case a.id != "" && a.id != *c.ID:
		return fmt.Errorf("the id changes")
	case a.id == "" && (len(*c.Choices) == 0 || *(*c.Choices)[0].Index != 0):
		return fmt.Errorf("choice 0 isn't first")
	}
	a.id = *c.ID
	if len(*c.Choices) == 0 {
		a.usages++
		if string(c.Usage) == "null" || len(a.finishes) != len(a.roles) {
			return fmt.Errorf("no usage, or too early")
		}
		return nil
	}
	if string(c.Usage) != "null" {
		return fmt.Errorf("usage beside a choice")
	}
	for _, one := range *c.Choices {
		if err := a.choice(one); err != nil {
			return err
		}
	}
	return nil
}

func (a *accumulator) choice(c sdkChoice) error {
	if c.Index == nil || c.Delta == nil || a.finishes[*c.Index] != "" {
		return fmt.Errorf("no index, no delta, or after the finish")
	}
	i := *c.Index
	if d := c.Delta; d.Role != nil {
		if a.roles[i] += *d.Role; a.roles[i] != "assistant" {
			return fmt.Errorf("role %q", a.roles[i])
		}
	}
	if a.roles[i] == "" {
		return fmt.Errorf("no role first")
	}
	for text, to := range map[*string][]map[int]string{c.Delta.Content: {a.content, a.said}, c.Delta.Refusal: {a.refusal, a.said}, c.Delta.Reasoning: {a.reasoning}} {
		for _, m := range to {
			if text != nil {
				m[i] += *text
			}
		}
	}
	for _, detail := range c.Delta.Details {
		if detail["index"] != float64(a.details) {
			return fmt.Errorf("reasoning_details out of order")
		}
		a.details++
	}
	if c.FinishReason != nil {
		a.finishes[i] = *c.FinishReason
	}
	return a.toolCalls(i, c)
}

func (a *accumulator) toolCalls(i int, c sdkChoice) error {
	for _, one := range c.Delta.ToolCalls {
		var name string
		var arguments *string
		switch {
		case one.Function != nil:
			name, arguments = one.Function.Name, one.Function.Arguments
		case one.Custom != nil:
			name, arguments = one.Custom.Name, one.Custom.Input
		}
		if one.Index == nil || *one.Index > len(a.calls[i]) || arguments == nil {
			return fmt.Errorf("a call out of order, or without arguments")
		}
		if *one.Index == len(a.calls[i]) {
			if one.ID == "" || one.Type == "" || name == "" {
				return fmt.Errorf("a call without id, type or name")
			}
			a.calls[i] = append(a.calls[i], call{id: one.ID, kind: one.Type, name: name})
		} else if one.ID != "" || one.Type != "" || name != "" {
			return fmt.Errorf("a call's id, type or name twice")
		}
		a.calls[i][*one.Index].arguments += *arguments
	}
	return nil
}

func (a *accumulator) complete(usage bool) error {
	for i := range a.roles {
		if a.finishes[i] == "" {
			return fmt.Errorf("choice %d has no finish_reason", i)
		}
	}
	if !a.done || usage != (a.usages == 1) || a.usages > 1 {
		return fmt.Errorf("done %v, %d usages", a.done, a.usages)
	}
	return nil
}
