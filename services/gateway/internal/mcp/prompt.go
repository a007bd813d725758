package mcp

import (
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// speaker is who says a message.
type speaker string

// line is one message of a conversation.
type line struct {
	Role    speaker `json:"role" jsonschema:"Who speaks."`
	Content string  `json:"content" jsonschema:"The text."`
}

// asked is the text of a question.
type asked struct {
	Model    string `json:"model" jsonschema:"A model by the name that list_models tells."`
	Prompt   string `json:"prompt,omitempty" jsonschema:"The question, where it is a single one. Give prompt or messages."`
	Messages []line `json:"messages,omitempty" jsonschema:"The conversation so far, oldest first. Give prompt or messages."`
	System   string `json:"system,omitempty" jsonschema:"Instructions to the model, above the conversation."`
}

// prompt is the question in the shared vocabulary. What is empty, though it mustn't be, is refused here by the name that
// the tool gives it.
func (a asked) prompt() (*llmv1.Prompt, error) {
	p, err := a.conversation()
	if err == nil && len(p.GetMessages()) == 0 {
		return nil, missing("prompt", "or messages is required")
	}
	return p, err
}

// conversation is the same for tools that can do without one.
func (a asked) conversation() (*llmv1.Prompt, error) {
	if a.Model == "" {
		return nil, missing("model", "is required; list_models tells the names")
	}
	if a.Prompt != "" && len(a.Messages) > 0 {
		return nil, invalid("prompt", "can't stand beside messages; give one of them")
	}
	p := &llmv1.Prompt{System: a.System}
	if a.Prompt != "" {
		p.Messages = []*llmv1.Message{said(llmv1.Role_ROLE_USER, a.Prompt)}
	}
	for _, l := range a.Messages {
		role, ok := speakers[l.Role]
		if !ok {
			return nil, invalid("messages.role", "must be user or assistant; instructions go to system")
		}
		p.Messages = append(p.Messages, said(role, l.Content))
	}
	return p, nil
}

var speakers = map[speaker]llmv1.Role{"user": llmv1.Role_ROLE_USER, "assistant": llmv1.Role_ROLE_ASSISTANT}

func said(role llmv1.Role, text string) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}}}
}
