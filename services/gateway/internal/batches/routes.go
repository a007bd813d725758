package batches

import (
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)

// Route is one endpoint, for the mux that everything hangs on.
type Route struct {
	Method, Pattern string
	Handler         runtime.HandlerFunc
}

// Routes are all endpoints.
func (e *Edges) Routes() []Route {
	return []Route{
		{http.MethodPost, "/v1/files", plain(e.CreateFile())},
		{http.MethodGet, "/v1/files", plain(e.ListFiles())},
		{http.MethodGet, "/v1/files/{id}", named(e.GetFile)},
		{http.MethodDelete, "/v1/files/{id}", named(e.DeleteFile)},
		{http.MethodGet, "/v1/files/{id}/content", named(e.FileContent)},
		{http.MethodPost, "/v1/batches", plain(e.CreateBatch())},
		{http.MethodGet, "/v1/batches", plain(e.ListBatches())},
		{http.MethodGet, "/v1/batches/{id}", named(e.GetBatch)},
		{http.MethodPost, "/v1/batches/{id}/cancel", named(e.CancelBatch)},
		{http.MethodPost, "/v1/messages/batches", plain(e.CreateMessageBatch())},
		{http.MethodGet, "/v1/messages/batches", plain(e.ListMessageBatches())},
		{http.MethodGet, "/v1/messages/batches/{id}", named(e.GetMessageBatch)},
		{http.MethodDelete, "/v1/messages/batches/{id}", named(e.DeleteMessageBatch)},
		{http.MethodPost, "/v1/messages/batches/{id}/cancel", named(e.CancelMessageBatch)},
		{http.MethodGet, "/v1/messages/batches/{id}/results", named(e.MessageBatchResults)},
	}
}

func plain(h http.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, _ map[string]string) { h(w, r) }
}

func named(h func(id string) http.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) { h(params["id"])(w, r) }
}
