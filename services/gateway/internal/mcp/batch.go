package mcp

import (
	"context"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
)

var createBatchSpec = spec{
	name: "create_batch", title: "Make a batch", asksModel: true,
	description: "Leaves many questions to be answered within a day, behind everyone who waits. Each counts against the key's limits, " +
		"and waits for them. get_batch tells how it stands, batch_results what was answered.",
}

var getBatchSpec = spec{
	name: "get_batch", title: "Look at a batch",
	description: "Tells how far a batch is, and what is wrong with its lines where it failed.",
}

// maxBatchRequests bounds what one call may bring: larger batches come as files.
const maxBatchRequests = 1000

// batchAsked is create_batch's input.
type batchAsked struct {
	steering

	Requests    []batchLine       `json:"requests" jsonschema:"The questions, at most 1000."`
	Window      string            `json:"window,omitempty" jsonschema:"How long it may take, from 1m to 24h, such as 2h. What isn't asked by then expires. Default: what Headgate is configured for."`
	Concurrency int32             `json:"concurrency,omitempty" jsonschema:"How many may be under way at once. Default, and the most: what Headgate is configured for."`
	Metadata    map[string]string `json:"metadata,omitempty" jsonschema:"Anything of your own, at most 16 names and values."`
}

// batchLine is one question of a batch.
type batchLine struct {
	asked

	CustomID        string   `json:"custom_id" jsonschema:"A name of your own by which the answer is found, unique within the batch, at most 64 bytes."`
	MaxOutputTokens int64    `json:"max_output_tokens,omitempty" jsonschema:"Most tokens of the answer, at least 1. Default: the provider's."`
	Temperature     *float64 `json:"temperature,omitempty" jsonschema:"Randomness, from 0; most models take up to 1 or 2. Default: the provider's."`
}

// batchNamed is get_batch's input.
type batchNamed struct {
	ID string `json:"id" jsonschema:"The batch's id, as create_batch told it."`
}

// batchState is how a batch stands.
type batchState struct {
	ID        string            `json:"id" jsonschema:"The batch's id."`
	State     string            `json:"state" jsonschema:"validating, failed, in_progress, finalizing, completed, expired, cancelling or cancelled."`
	Ended     bool              `json:"ended" jsonschema:"Whether it is over, and its results can be read."`
	Total     int64             `json:"total" jsonschema:"How many lines it has; 0 until they were checked."`
	Completed int64             `json:"completed" jsonschema:"Lines with a good answer."`
	Failed    int64             `json:"failed" jsonschema:"Lines with an error."`
	Cancelled int64             `json:"cancelled,omitempty" jsonschema:"Lines that were cancelled before they were asked."`
	Expired   int64             `json:"expired,omitempty" jsonschema:"Lines that expired before they were asked."`
	CreatedAt string            `json:"created_at,omitempty" jsonschema:"When it was made."`
	EndedAt   string            `json:"ended_at,omitempty" jsonschema:"When it was over."`
	ExpiresAt string            `json:"expires_at,omitempty" jsonschema:"When what isn't done expires."`
	Model     string            `json:"model,omitempty" jsonschema:"The model of the first line."`
	Usage     *consumed         `json:"usage,omitempty" jsonschema:"What it consumed so far."`
	Mistakes  []batchMistake    `json:"mistakes,omitempty" jsonschema:"What is wrong with its lines, the first 20 of them; nothing was asked then."`
	Metadata  map[string]string `json:"metadata,omitempty" jsonschema:"What its maker said of it."`
}

// batchMistake is what is wrong with a line.
type batchMistake struct {
	Line    int64  `json:"line,omitempty" jsonschema:"The line, counted from 1."`
	Field   string `json:"field,omitempty" jsonschema:"The field that is wrong."`
	Message string `json:"message" jsonschema:"What is wrong."`
}

// batch makes batches and looks at them.
type batch struct{ service batchv1.BatchServiceClient }

func (b *batch) create(ctx context.Context, _ *mcp.CallToolRequest, in batchAsked) (*batchState, error) {
	m, err := in.request(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := b.service.CreateBatch(ctx, m)
	return batchStateOf(answer.GetBatch()), err
}

func (b *batch) get(ctx context.Context, _ *mcp.CallToolRequest, in batchNamed) (*batchState, error) {
	if in.ID == "" {
		return nil, missing("id", "is required; create_batch told it")
	}
	answer, err := b.service.GetBatch(ctx, &batchv1.GetBatchRequest{Id: in.ID})
	return batchStateOf(answer.GetBatch()), err
}

// request is the call that the input means. What steers live calls by their metadata are fields of a batch.
func (in batchAsked) request(ctx context.Context) (*batchv1.CreateBatchRequest, error) {
	ctx, err := in.steer(ctx)
	if err != nil {
		return nil, err
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	m := &batchv1.CreateBatchRequest{Dialect: llmv1.Dialect_DIALECT_OPENAI, Concurrency: in.Concurrency, Metadata: in.Metadata}
	if m.Sensitivity, err = labelIn(md); err != nil {
		return nil, err
	}
	if m.Tags, err = tagsIn(md); err != nil {
		return nil, err
	}
	if in.Window != "" {
		d, err := time.ParseDuration(in.Window)
		if err != nil || d < time.Minute || d > 24*time.Hour {
			return nil, invalid("window", "must be from 1m to 24h, such as 2h")
		}
		m.CompletionWindow = durationpb.New(d)
	}
	m.Requests, err = linesOf(in.Requests)
	return m, err
}

// labelIn is the highest label that metadata holds.
func labelIn(md metadata.MD) (label llmv1.Sensitivity, err error) {
	for _, v := range md.Get(meta.Sensitivity) {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		n := llmv1.Sensitivity_value["SENSITIVITY_"+strings.ToUpper(v)]
		if n == 0 || strings.ToLower(v) != v {
			return 0, invalid(meta.Sensitivity, "must be none, low, medium or high")
		}
		label = max(label, llmv1.Sensitivity(n))
	}
	return label, nil
}

// tagsIn are the tags that metadata holds.
func tagsIn(md metadata.MD) (map[string]string, error) {
	list := strings.TrimSpace(strings.Join(md.Get(meta.Tags), ","))
	if list == "" {
		return nil, nil
	}
	tags := make(map[string]string)
	for _, tag := range strings.Split(list, ",") {
		name, value, ok := strings.Cut(tag, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, invalid(meta.Tags, "must look like team=search,feature=autocomplete")
		}
		tags[name] = strings.TrimSpace(value)
	}
	return tags, nil
}

const maxMistakes = 20

func batchStateOf(m *batchv1.Batch) *batchState {
	c := m.GetCounts()
	s := &batchState{
		ID: m.GetId(), State: word(m.GetState().String(), "BATCH_STATE_"), Ended: m.GetEndedAt() != nil,
		Total: c.GetTotal(), Completed: c.GetCompleted(), Failed: c.GetFailed(), Cancelled: c.GetCancelled(), Expired: c.GetExpired(),
		CreatedAt: at(m.GetCreatedAt()), EndedAt: at(m.GetEndedAt()), ExpiresAt: at(m.GetExpiresAt()),
		Model: m.GetModel(), Usage: tokens(m.GetUsage()), Metadata: m.GetMetadata(),
	}
	for _, e := range m.GetErrors()[:min(maxMistakes, len(m.GetErrors()))] {
		s.Mistakes = append(s.Mistakes, batchMistake{Line: e.GetLine(), Field: e.GetField(), Message: e.GetMessage()})
	}
	return s
}

func at(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}
