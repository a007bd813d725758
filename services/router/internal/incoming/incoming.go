// Package incoming is a client's request in its own dialect, before anybody is asked: what is read of it, how it is put to
// the planner and to the books, and its translation for whoever speaks another dialect.
package incoming

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/cross"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
)

// Edges are the dialects that clients speak. Safe for concurrent use once made.
type Edges map[llmv1.Dialect]*edge.Edge

// NewEdges returns all of them.
func NewEdges() Edges {
	return Edges{
		llmv1.Dialect_DIALECT_OPENAI:    edge.OpenAI(),
		llmv1.Dialect_DIALECT_ANTHROPIC: edge.Anthropic(),
	}
}

// Request is one. It belongs to one goroutine.
type Request struct {
	Edge      *edge.Edge
	Operation routerv1.Operation
	// Facts are those of the body as it is now.
	Facts dialect.Facts

	original []byte
	content  plan.Body
	// prompt and warnings are the translation, once somebody needed it.
	prompt   *llmv1.Prompt
	warnings []string
}

// Read reads what a body says about itself. Errors are UNSUPPORTED, INVALID_JSON, TOO_DEEP, MISSING_FIELD and
// INVALID_FIELD.
func (e Edges) Read(d llmv1.Dialect, o routerv1.Operation, body []byte) (*Request, error) {
	r := &Request{Edge: e[d], Operation: o, original: body}
	if r.Edge == nil || r.Edge.ReadFacts[o] == nil {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the dialect has no such operation")
	}
	return r, r.readFacts(body)
}

func (r *Request) readFacts(body []byte) (err error) {
	r.Facts, err = r.Edge.ReadFacts[r.Operation](body)
	return err
}

// Plan is what the planner needs to know. It may change the body.
func (r *Request) Plan() plan.Ask {
	r.content = plan.Body{JSON: r.original, Reread: r.readFacts}
	return plan.Ask{
		Operation: Operations[r.Operation], Dialect: r.Edge.Dialect, Model: r.Facts.Model, Stream: r.Facts.Stream,
		Input: estimate.Body(r.original), Output: r.Facts.MaxOutputTokens, Content: &r.content,
	}
}

// Account is what the books need to know beforehand.
func (r *Request) Account(p plan.Plan) account.Ask {
	return account.Ask{
		Operation: Operations[r.Operation], Dialect: r.Edge.Dialect, Model: p.Model, Stream: r.Facts.Stream,
		Input: p.Input, Output: r.Facts.MaxOutputTokens, Wishes: p.Wishes, Targets: p.Targets,
	}
}

// Body is the client's, but for what a rule took out of it. Only after Plan.
func (r *Request) Body() []byte { return r.content.JSON }

// Operations are the names under which attempts are observed and written down.
var Operations = map[routerv1.Operation]string{
	routerv1.Operation_OPERATION_CHAT:         observe.Chat,
	routerv1.Operation_OPERATION_EMBED:        observe.Embeddings,
	routerv1.Operation_OPERATION_COUNT_TOKENS: observe.CountTokens,
}

// Prompt is the request in the shared vocabulary, translated once for all targets, and what was left out of it. Errors
// are the client's own.
func (r *Request) Prompt() (prompt *llmv1.Prompt, warnings []string, err error) {
	if r.prompt != nil {
		return r.prompt, r.warnings, nil
	}
	if prompt, err = r.Edge.DecodeRequest(r.Body()); err != nil {
		return nil, nil, err
	}
	if r.warnings, err = cross.Settle(prompt, r.Edge.Dialect); err != nil {
		return nil, nil, err
	}
	r.prompt = prompt
	return prompt, r.warnings, nil
}
