package edge

import (
	"net/http"
	"slices"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// Models serves the list of models that can be asked for in the dialect.
func (e *Edges) Models(d *Dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		models, err := e.list(r, d)
		if err != nil {
			d.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		writeJSON(w, d.EncodeModels(models))
	}
}

// Model serves one entry of the list.
func (e *Edges) Model(d *Dialect, id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		models, err := e.list(r, d)
		if err != nil {
			d.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		i := slices.IndexFunc(models, func(m *llmv1.Model) bool { return m.GetId() == id })
		if i < 0 {
			d.Refuse(w, meta.RequestID(r.Context()), fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND,
				"no such model; GET /v1/models lists the names").With("field", "model"))
			return
		}
		writeJSON(w, d.EncodeModel(models[i]))
	}
}

func (e *Edges) list(r *http.Request, d *Dialect) ([]*llmv1.Model, error) {
	answer, err := e.Router.ListModels(r.Context(), &routerv1.ListModelsRequest{Dialect: d.ID})
	return answer.GetModels(), err
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
