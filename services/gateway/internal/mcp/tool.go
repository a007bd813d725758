package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// tool is one tool as it is listed and as it is called.
type tool struct {
	definition *mcp.Tool
	handler    mcp.ToolHandler
}

// spec describes a tool to clients.
type spec struct {
	name, title, description string
	// asksModel says that the tool speaks to a model: it reaches outside and spends; all others only read.
	asksModel bool
	// outside says that a reading tool may reach a provider.
	outside bool
}

// tools are those of the services that are there. Clients get them in order of their names, the same order every time.
// The tools of another service join here, as a group of their own.
func tools(o Options) []tool {
	s := o.Services
	list := []tool{
		define(chatSpec, (&chat{router: s.Router, now: o.Now}).call),
		define(countSpec, (&count{router: s.Router}).call),
		define(explainSpec, (&explain{router: s.Router}).call),
		define(modelsSpec, (&models{router: s.Router}).call),
	}
	if s.RateLimit != nil {
		list = append(list, define(quotaSpec, (&quota{service: s.RateLimit}).call))
	}
	if s.Usage != nil {
		list = append(list, define(usageSpec, (&usage{service: s.Usage}).call))
	}
	if s.Batch != nil {
		b := &batch{service: s.Batch}
		list = append(list, define(createBatchSpec, b.create), define(getBatchSpec, b.get), define(batchResultsSpec, b.results))
	}
	return list
}

// define makes a tool of a typed function. Its schemas are those of the types; what the function returns as an error
// becomes a result that says so, since a model can often do something about it.
func define[In, Out any](s spec, call func(context.Context, *mcp.CallToolRequest, In) (Out, error)) tool {
	outside := s.asksModel || s.outside
	destroys := false
	return tool{
		definition: &mcp.Tool{
			Name: s.name, Title: s.title, Description: s.description,
			InputSchema: schemaOf[In](), OutputSchema: schemaOf[Out](),
			Annotations: &mcp.ToolAnnotations{
				Title: s.title, ReadOnlyHint: !s.asksModel, IdempotentHint: !s.asksModel, DestructiveHint: &destroys, OpenWorldHint: &outside,
			},
		},
		handler: func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var in In
			if err := decode(req.Params.Arguments, &in); err != nil {
				return failed(ctx, err), nil
			}
			out, err := call(ctx, req, in)
			if err != nil {
				return failed(ctx, reason(ctx, err)), nil
			}
			return succeeded(out)
		},
	}
}

// succeeded is a result as data and, for clients that don't read that, as text.
func succeeded(out any) (*mcp.CallToolResult, error) {
	text, err := plainJSON(out)
	if err != nil {
		return nil, protocolError(fault.From(err))
	}
	return &mcp.CallToolResult{StructuredContent: json.RawMessage(text), Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil
}

// plainJSON leaves <, > and & as they are: models read it.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// failed is a result that says what went wrong: a sentence for the model, particulars for the program around it. The cause
// stays behind.
func failed(ctx context.Context, err error) *mcp.CallToolResult {
	f := inTheToolsWords(fault.From(err))
	text := fault.Code(f.Reason) + ": " + f.Message
	if f.RetryAfter > 0 {
		text += fmt.Sprintf(" (try again in %s)", f.RetryAfter.Round(10*time.Millisecond))
	}
	return &mcp.CallToolResult{
		IsError: true,
		Content: []mcp.Content{&mcp.TextContent{Text: text}},
		Meta:    mcp.Meta{"headgate/error": particulars(f, requestID(ctx))},
	}
}

// inTheToolsWords names a field as the tool's input does: the router speaks of the prompt that the tool made of it.
func inTheToolsWords(f *fault.Error) *fault.Error {
	field := f.Metadata["field"]
	name, ok := strings.CutPrefix(strings.TrimPrefix(field, "prompt."), "sampling.")
	if !ok && name == field {
		return f
	}
	mine := *f
	mine.Message = strings.Replace(f.Message, field, name, 1)
	mine.Metadata = maps.Clone(f.Metadata)
	mine.Metadata["field"] = name
	return &mine
}

// reason prefers why a call was ended to the mere fact that it was.
func reason(ctx context.Context, err error) error {
	var known *fault.Error
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &known) {
		return known
	}
	return err
}

// decode reads arguments strictly. An error names the field and never its value.
func decode(arguments json.RawMessage, into any) error {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	d := json.NewDecoder(bytes.NewReader(arguments))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return misfit(err)
}

// embedded are the types within inputs whose names encoding/json puts before those of their fields.
var embedded = strings.NewReplacer("asked.", "", "steering.", "")

// unknown begins what encoding/json says of a name that the type doesn't have.
const unknown = "json: unknown field "

func misfit(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return invalid(embedded.Replace(wrong.Field), "has the wrong type; the tool's input schema tells the right one")
	case errors.As(err, &wrong):
		return invalid("arguments", "must be an object; the tool's input schema tells its fields")
	case err != nil && strings.HasPrefix(err.Error(), unknown):
		return stranger(strings.Trim(strings.TrimPrefix(err.Error(), unknown), `"`))
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "arguments can't be read; the tool's input schema tells how they look").Because(err)
}

func stranger(name string) error {
	if len(name) > 64 {
		return invalid("arguments", "hold a field that the tool doesn't have; its input schema names those it has")
	}
	return invalid(name, "is no field of this tool; its input schema names those it has")
}
