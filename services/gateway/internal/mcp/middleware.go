package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// recoverPanic answers a defect with an error: methods run on goroutines of the SDK's, where a panic would end the process.
func recoverPanic(log *slog.Logger) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
			defer func() {
				if v := recover(); v != nil {
					log.LogAttrs(ctx, slog.LevelError, "panic in an MCP method", slog.String("request_id", requestID(ctx)),
						slog.String("panic", describe(v)), slog.String("stack", string(debug.Stack())))
					result, err = nil, protocolError(fault.New(errorsv1.Reason_REASON_INTERNAL,
						"something went wrong inside Headgate; the request id finds it in the log"))
				}
			}()
			return next(ctx, method, req)
		}
	}
}

// describe says what was panicked with. Only the runtime's own errors are quoted: any other value may hold content of the
// request.
func describe(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", v)
}

// notOffered are methods that the SDK would answer, with nothing, though no capability declares them.
var notOffered = []string{
	"prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
}

// refuseUndeclared answers only what is declared.
func refuseUndeclared(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if slices.Contains(notOffered, method) {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "Headgate doesn't offer this method; its capabilities tell what it offers"}
		}
		return next(ctx, method, req)
	}
}

// followCall ends a method with its HTTP request, or when it is cancelled.
func followCall(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		ctx, end := follow(ctx)
		defer end()
		return next(ctx, method, req)
	}
}
