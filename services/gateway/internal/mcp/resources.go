package mcp

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const mimeJSON = "application/json"

// addResources offers what a client may want to show beside a conversation.
func addResources(server *mcp.Server, o Options) {
	list := &models{router: o.Services.Router}
	server.AddResource(&mcp.Resource{
		URI: "headgate://models", Name: "models", Title: "Models", MIMEType: mimeJSON,
		Description: "The models that this key may ask for.",
	}, read(func(ctx context.Context) (any, error) { return list.list(ctx) }))
	if o.Services.Usage == nil {
		return
	}
	ledger := &usage{service: o.Services.Usage}
	server.AddResource(&mcp.Resource{
		URI: "headgate://usage", Name: "usage", Title: "Usage of this month", MIMEType: mimeJSON,
		Description: "What this key has consumed since the month began (UTC), by model.",
	}, read(func(ctx context.Context) (any, error) { return ledger.query(ctx, monthOf(o.Now())) }))
}

// monthOf asks for the sums of the month of a moment, by model.
func monthOf(now time.Time) *usagev1.QueryUsageRequest {
	year, month, _ := now.UTC().Date()
	return &usagev1.QueryUsageRequest{
		Filter:  &usagev1.Filter{Start: timestamppb.New(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC))},
		GroupBy: []usagev1.Group{usagev1.Group_GROUP_MODEL}, Limit: defaultSums,
	}
}

// read makes a resource of what a call returns. A resource has no results that tell of errors: those are the protocol's.
func read(call func(context.Context) (any, error)) mcp.ResourceHandler {
	return func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		value, err := call(ctx)
		if err != nil {
			return nil, protocolError(fault.From(reason(ctx, err)))
		}
		text, err := plainJSON(value)
		if err != nil {
			return nil, protocolError(fault.From(err))
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: req.Params.URI, MIMEType: mimeJSON, Text: string(text)}}}, nil
	}
}
