package adapter

import (
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func picture(uri string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Uri{Uri: &llmv1.UriPart{Uri: uri}}}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	inner := &llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{
		Id: "c", Parts: []*llmv1.Part{picture("http://169.254.169.254/")},
	}}}
	native := &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Json: `{"type":"video_url","video_url":{"url":"http://10.0.0.1/"}}`}}}
	for name, c := range map[string]struct {
		urls  URLs
		part  *llmv1.Part
		field string
	}{
		"a hosted provider":          {URLs{}, picture("http://169.254.169.254/"), ""},
		"in the house":               {URLs{Guarded: true}, picture("http://169.254.169.254/"), "prompt.messages[0].parts[0]"},
		"content itself":             {URLs{Guarded: true}, picture("data:image/png;base64,AAAA"), ""},
		"allowed":                    {URLs{Guarded: true, Allowed: []string{"https://images.example.com/"}}, picture("https://images.example.com/a.png"), ""},
		"another host":               {URLs{Guarded: true, Allowed: []string{"https://images.example.com/"}}, picture("https://images.example.com.evil.org/"), "prompt.messages[0].parts[0]"},
		"within a tool's answer":     {URLs{Guarded: true}, inner, "prompt.messages[0].parts[0].parts[0]"},
		"within something of theirs": {URLs{Guarded: true}, native, "prompt.messages[0].parts[0]"},
	} {
		err := c.urls.checkPrompt(&llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{c.part}}}})
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || fault.From(err).Metadata["field"] != c.field {
			t.Errorf("%s: %v, want %s", name, err, c.field)
		}
	}
}
