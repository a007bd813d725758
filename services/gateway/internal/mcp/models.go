package mcp

import (
	"context"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

var modelsSpec = spec{
	name: "list_models", title: "List models",
	description: "Lists the models that this key may ask for, configured names first.",
}

// nothing is the input of tools that take none.
type nothing struct{}

// catalog is list_models' output.
type catalog struct {
	Models []model `json:"models" jsonschema:"The models."`
}

// model is a name that can be asked for.
type model struct {
	ID          string   `json:"id" jsonschema:"The name to ask for."`
	Provider    string   `json:"provider" jsonschema:"The configured provider it goes to first."`
	OwnedBy     string   `json:"owned_by,omitempty" jsonschema:"Who made it, in the provider's words."`
	DisplayName string   `json:"display_name,omitempty" jsonschema:"A name for people."`
	Dialects    []string `json:"dialects,omitempty" jsonschema:"The dialects in which it can be asked for over HTTP."`
}

// models lists models.
type models struct{ router routerv1.RouterServiceClient }

func (m *models) call(ctx context.Context, _ *mcp.CallToolRequest, _ nothing) (*catalog, error) {
	return m.list(ctx)
}

func (m *models) list(ctx context.Context) (*catalog, error) {
	answer, err := m.router.ListModels(ctx, &routerv1.ListModelsRequest{})
	if err != nil {
		return nil, err
	}
	c := &catalog{Models: make([]model, 0, len(answer.GetModels()))}
	for _, one := range answer.GetModels() {
		c.Models = append(c.Models, model{
			ID: one.GetId(), Provider: one.GetProvider(), OwnedBy: one.GetOwnedBy(), DisplayName: one.GetDisplayName(), Dialects: dialects(one),
		})
	}
	return c, nil
}

func dialects(m *llmv1.Model) []string {
	var names []string
	for _, d := range m.GetDialects() {
		names = append(names, word(d.String(), "DIALECT_"))
	}
	return names
}

// word is an enum's value as tools spell it.
func word(value, prefix string) string { return strings.ToLower(strings.TrimPrefix(value, prefix)) }
