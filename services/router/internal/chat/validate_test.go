package chat_test

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/chat"
)

func say(role llmv1.Role, texts ...string) *llmv1.Message {
	m := &llmv1.Message{Role: role}
	for _, s := range texts {
		m.Parts = append(m.Parts, &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}})
	}
	return m
}

func ask(change func(*routerv1.ChatRequest)) *routerv1.ChatRequest {
	r := &routerv1.ChatRequest{Model: "m", Prompt: &llmv1.Prompt{Messages: []*llmv1.Message{say(llmv1.Role_ROLE_USER, "Hi")}}}
	change(r)
	return r
}

func sampling(s *llmv1.Sampling) func(*routerv1.ChatRequest) {
	return func(r *routerv1.ChatRequest) { r.Prompt.Sampling = s }
}

func messages(list ...*llmv1.Message) func(*routerv1.ChatRequest) {
	return func(r *routerv1.ChatRequest) { r.Prompt.Messages = list }
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const missing, invalid = errorsv1.Reason_REASON_MISSING_FIELD, errorsv1.Reason_REASON_INVALID_FIELD
	user := say(llmv1.Role_ROLE_USER, "Hi")
	cases := []struct {
		name   string
		change func(*routerv1.ChatRequest)
		want   errorsv1.Reason
		field  string
	}{
		{"good", func(*routerv1.ChatRequest) {}, 0, ""},
		{"all roles", messages(say(llmv1.Role_ROLE_SYSTEM, "a"), user, say(llmv1.Role_ROLE_ASSISTANT, "b", "c")), 0, ""},
		{"empty text", messages(say(llmv1.Role_ROLE_USER, "")), 0, ""},
		{"no model", func(r *routerv1.ChatRequest) { r.Model = "" }, missing, "model"},
		{"longest model", func(r *routerv1.ChatRequest) { r.Model = strings.Repeat("m", 256) }, 0, ""},
		{"model too long", func(r *routerv1.ChatRequest) { r.Model = strings.Repeat("m", 257) }, invalid, "model"},
		{"no prompt", func(r *routerv1.ChatRequest) { r.Prompt = nil }, missing, "prompt.messages"},
		{"no messages", messages(), missing, "prompt.messages"},
		{"too many messages", messages(make([]*llmv1.Message, 100_001)...), invalid, "prompt.messages"},
		{"no role", messages(say(0, "Hi")), invalid, "prompt.messages[0].role"},
		{"a tool that just talks", messages(user, say(llmv1.Role_ROLE_TOOL, "Hi")), invalid, "prompt.messages[1].parts[0]"},
		{"a newer role", messages(say(99, "Hi")), invalid, "prompt.messages[0].role"},
		{"no parts", messages(user, say(llmv1.Role_ROLE_USER)), missing, "prompt.messages[1].parts"},
		{"an empty part", messages(&llmv1.Message{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{user.Parts[0], {}}}), missing, "prompt.messages[0].parts[1]"},
		{"a nil message", messages(nil), invalid, "prompt.messages[0].role"},
		{"sampling at its low ends", sampling(&llmv1.Sampling{
			MaxOutputTokens: proto.Int64(1), Temperature: proto.Float64(0), TopP: proto.Float64(0), TopK: proto.Int64(1),
			FrequencyPenalty: proto.Float64(-2), PresencePenalty: proto.Float64(-2),
		}), 0, ""},
		{"sampling at its high ends", sampling(&llmv1.Sampling{
			Temperature: proto.Float64(2), TopP: proto.Float64(1), FrequencyPenalty: proto.Float64(2), PresencePenalty: proto.Float64(2),
		}), 0, ""},
		{"max_output_tokens 0", sampling(&llmv1.Sampling{MaxOutputTokens: proto.Int64(0)}), invalid, "prompt.sampling.max_output_tokens"},
		{"temperature below", sampling(&llmv1.Sampling{Temperature: proto.Float64(-0.1)}), invalid, "prompt.sampling.temperature"},
		{"temperature above", sampling(&llmv1.Sampling{Temperature: proto.Float64(2.1)}), invalid, "prompt.sampling.temperature"},
		{"temperature NaN", sampling(&llmv1.Sampling{Temperature: proto.Float64(math.NaN())}), invalid, "prompt.sampling.temperature"},
		{"top_p above", sampling(&llmv1.Sampling{TopP: proto.Float64(1.1)}), invalid, "prompt.sampling.top_p"},
		{"top_p infinite", sampling(&llmv1.Sampling{TopP: proto.Float64(math.Inf(1))}), invalid, "prompt.sampling.top_p"},
		{"top_k 0", sampling(&llmv1.Sampling{TopK: proto.Int64(0)}), invalid, "prompt.sampling.top_k"},
		{"frequency_penalty below", sampling(&llmv1.Sampling{FrequencyPenalty: proto.Float64(-2.1)}), invalid, "prompt.sampling.frequency_penalty"},
		{"presence_penalty above", sampling(&llmv1.Sampling{PresencePenalty: proto.Float64(2.1)}), invalid, "prompt.sampling.presence_penalty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ask(c.change)
			for _, m := range []proto.Message{r, &routerv1.StreamChatRequest{Model: r.GetModel(), Prompt: r.GetPrompt()}} {
				err := chat.Validate(m)
				if err == nil {
					if c.want != 0 {
						t.Errorf("%T passed", m)
					}
					continue
				}
				if f := fault.From(err); f.Reason != c.want || f.Metadata["field"] != c.field || !strings.HasPrefix(f.Message, c.field) {
					t.Errorf("%T: %v about %q, want %v about %q", m, err, f.Metadata["field"], c.want, c.field)
				}
			}
		})
	}
}

func TestValidateLetsOthersPass(t *testing.T) {
	t.Parallel()
	for _, m := range []proto.Message{&routerv1.ListModelsRequest{}, &routerv1.RelayRequest{}, nil} {
		if err := chat.Validate(m); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
}
