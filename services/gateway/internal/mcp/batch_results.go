package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
)

var batchResultsSpec = spec{
	name: "batch_results", title: "Read a batch's results",
	description: "Tells what became of the lines of a batch that is over, a page at a time, in the order of its lines.",
}

const (
	// defaultResults and maxResults are the lines of a page, maxResultText its text, in bytes: a model reads them.
	defaultResults = 20
	maxResults     = 200
	maxResultText  = 128 << 10
)

// resultsAsked is batch_results' input.
type resultsAsked struct {
	ID    string `json:"id" jsonschema:"The batch's id."`
	After int64  `json:"after,omitempty" jsonschema:"Only lines after this one: next_after of the page before. Default: from the first."`
	Limit int    `json:"limit,omitempty" jsonschema:"At most this many lines, up to 200. Default 20. A page may end before, since its text is bounded too."`
}

// resultsPage is batch_results' output.
type resultsPage struct {
	Results   []batchResult `json:"results" jsonschema:"What became of the lines."`
	NextAfter int64         `json:"next_after,omitempty" jsonschema:"Where there are more lines: what to send as after for them."`
}

// batchResult is what became of a line.
type batchResult struct {
	Line      int64  `json:"line" jsonschema:"The line, counted from 1."`
	CustomID  string `json:"custom_id" jsonschema:"The name that the batch's maker gave it."`
	Outcome   string `json:"outcome" jsonschema:"succeeded, errored, cancelled or expired."`
	Text      string `json:"text,omitempty" jsonschema:"The answer's text."`
	Body      string `json:"body,omitempty" jsonschema:"The answer's body as JSON text, where it isn't text alone."`
	Error     string `json:"error,omitempty" jsonschema:"What went wrong."`
	Status    int32  `json:"http_status,omitempty" jsonschema:"The HTTP status that it would have had by itself."`
	Truncated bool   `json:"truncated,omitempty" jsonschema:"Whether text or body were cut because of their length."`
	RequestID string `json:"request_id,omitempty" jsonschema:"Finds the call in the log and in the usage."`
}

func (b *batch) results(ctx context.Context, _ *mcp.CallToolRequest, in resultsAsked) (*resultsPage, error) {
	switch {
	case in.ID == "":
		return nil, missing("id", "is required; create_batch told it")
	case in.After < 0:
		return nil, invalid("after", "must be a line's number, or left out")
	case in.Limit < 0 || in.Limit > maxResults:
		return nil, invalid("limit", fmt.Sprintf("must be from 1 to %d", maxResults))
	case in.Limit == 0:
		in.Limit = defaultResults
	}
	ctx, cancel := context.WithCancel(ctx) // the rest isn't wanted
	defer cancel()
	stream, err := b.service.StreamResults(ctx, &batchv1.StreamResultsRequest{Id: in.ID, After: in.After})
	if err != nil {
		return nil, err
	}
	p := &resultsPage{Results: []batchResult{}}
	for room := maxResultText; ; {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return p, nil
		case err != nil:
			return nil, err
		}
		one := batchResultOf(m)
		if n := len(p.Results); n == in.Limit || n > 0 && one.size() > room {
			p.NextAfter = p.Results[n-1].Line
			return p, nil
		}
		one.cut(maxResultText)
		room -= one.size()
		p.Results = append(p.Results, one)
	}
}

func (r *batchResult) size() int { return len(r.Text) + len(r.Body) + len(r.Error) }

// cut shortens what is longer than a whole page.
func (r *batchResult) cut(most int) {
	for _, text := range []*string{&r.Text, &r.Body, &r.Error} {
		if len(*text) <= most {
			continue
		}
		end := most
		for end > 0 && !utf8.RuneStart((*text)[end]) {
			end--
		}
		*text, r.Truncated = (*text)[:end], true
	}
}

func batchResultOf(m *batchv1.StreamResultsResponse) batchResult {
	r := batchResult{
		Line: m.GetLine(), CustomID: m.GetCustomId(), Outcome: word(m.GetOutcome().String(), "LINE_OUTCOME_"),
		Status: m.GetHttpStatus(), RequestID: m.GetRequestId(),
	}
	if m.GetOutcome() == batchv1.LineOutcome_LINE_OUTCOME_ERRORED {
		r.Error = failureIn(m.GetBody())
		return r
	}
	if r.Text = answerIn(m.GetBody()); r.Text == "" {
		r.Body = m.GetBody()
	}
	return r
}

// answerIn is the text of an answer in either dialect; empty where there is more to it than text.
func answerIn(body string) string {
	var a struct {
		Choices []struct {
			Message struct {
				Content   *string           `json:"content"`
				ToolCalls []json.RawMessage `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
	}
	if json.Unmarshal([]byte(body), &a) != nil {
		return ""
	}
	if len(a.Choices) == 1 && a.Choices[0].Message.Content != nil && len(a.Choices[0].Message.ToolCalls) == 0 {
		return *a.Choices[0].Message.Content
	}
	var text strings.Builder
	for _, block := range a.Content {
		switch block.Type {
		case "text":
			text.WriteString(block.Text)
		case "thinking", "redacted_thinking":
		default:
			return ""
		}
	}
	return text.String()
}

// failureIn is the sentence of an error in either dialect, or all of it.
func failureIn(body string) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(body), &e) != nil || e.Error.Message == "" {
		return body
	}
	return e.Error.Message
}
