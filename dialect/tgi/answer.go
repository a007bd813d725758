package tgi

import (
	"crypto/rand"

	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// DecodeChat reads a whole answer, as one of OpenAI's servers would have given it: with an id, with ids of calls that
// differ from those of other answers, and with a finish that says that tools are called. Errors are as those of
// openai.DecodeResponse.
func DecodeChat(body []byte) (*llmv1.Completion, error) {
	c, err := openai.DecodeResponse(body, false)
	if err != nil {
		return nil, placed(err)
	}
	if c.GetId() == "" {
		c.Id = mintID()
	}
	for _, part := range c.GetMessage().GetParts() {
		if call := part.GetToolCall(); call != nil {
			call.Id = mintCall()
			c.FinishReason = called(c.GetFinishReason())
		}
	}
	return c, nil
}

// called is the reason of an answer that calls tools: TGI says stop.
func called(reason llmv1.FinishReason) llmv1.FinishReason {
	if reason == llmv1.FinishReason_FINISH_REASON_STOP {
		return llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	}
	return reason
}

// mintID makes an answer's id: TGI's is always empty.
func mintID() string { return "chatcmpl-" + rand.Text() }

// mintCall makes a call's id: TGI's is 0 in every answer.
func mintCall() string { return "call_" + rand.Text()[:24] }
