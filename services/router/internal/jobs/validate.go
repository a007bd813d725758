package jobs

import (
	"cmp"
	"fmt"

	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	maxJobID  = 40
	maxLineID = 64
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of JobService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *routerv1.SubmitJobRequest:
		return part(r)
	case *routerv1.FindJobRequest:
		return sought(r)
	case *routerv1.GetJobRequest:
		return reference(r.GetJob())
	case *routerv1.CancelJobRequest:
		return reference(r.GetJob())
	case *routerv1.StreamJobResultsRequest:
		return reference(r.GetJob())
	case *routerv1.FinishLineRequest:
		return answeredLine(r)
	}
	return nil
}

func part(r *routerv1.SubmitJobRequest) error {
	switch p := r.GetPart().(type) {
	case *routerv1.SubmitJobRequest_Description:
		return description(p.Description)
	case *routerv1.SubmitJobRequest_Lines:
		for _, line := range p.Lines.GetLines() {
			if err := cmp.Or(word("lines.id", line.GetId(), maxLineID), present("lines.body", len(line.GetBody()) > 0)); err != nil {
				return err
			}
		}
		return nil
	}
	return missing("part")
}

func description(d *routerv1.JobDescription) error {
	return cmp.Or(word("description.job_id", d.GetJobId(), maxJobID), present("description.provider", d.GetProvider() != ""),
		operation("description.operation", d.GetOperation()))
}

func operation(field string, o routerv1.Operation) error {
	if o != routerv1.Operation_OPERATION_CHAT && o != routerv1.Operation_OPERATION_EMBED {
		return invalid(field, "must be chat or embed")
	}
	return nil
}

func sought(r *routerv1.FindJobRequest) error {
	err := cmp.Or(description(r.GetDescription()), present("submitted_at", r.GetSubmittedAt() != nil))
	if err == nil && r.GetLines() < 1 {
		err = invalid("lines", "must be at least 1")
	}
	return err
}

func reference(j *routerv1.JobReference) error {
	err := cmp.Or(present("job", j != nil), present("job.provider", j.GetProvider() != ""))
	if err == nil && !provider.BatchID(j.GetUpstreamId()) {
		err = invalid("job.upstream_id", "must be the id that SubmitJob gave: letters, digits, - and _")
	}
	return err
}

func answeredLine(r *routerv1.FinishLineRequest) error {
	c := r.GetContext()
	err := cmp.Or(present("context", c != nil), present("context.prepared_at", c.GetPreparedAt() != nil),
		operation("context.operation", c.GetOperation()), present("result", r.GetResult() != nil),
		present("key_id", r.GetKeyId() != ""), word("job_id", r.GetJobId(), maxJobID))
	switch {
	case err != nil:
		return err
	case c.GetDialect() != llmv1.Dialect_DIALECT_OPENAI && c.GetDialect() != llmv1.Dialect_DIALECT_ANTHROPIC:
		return invalid("context.dialect", "must be openai or anthropic")
	case c.GetDialect() == llmv1.Dialect_DIALECT_ANTHROPIC && c.GetOperation() == routerv1.Operation_OPERATION_EMBED:
		return invalid("context.operation", "must be chat: Anthropic's dialect has no embeddings")
	case r.GetResult().GetOutcome() == routerv1.JobOutcome_JOB_OUTCOME_UNSPECIFIED:
		return missing("result.outcome")
	}
	return nil
}

func word(field, value string, most int) error {
	if value == "" {
		return missing(field)
	}
	if !provider.Word(value, most) {
		return invalid(field, "must be 1 to %d letters, digits, - and _", most)
	}
	return nil
}

func present(field string, is bool) error {
	if !is {
		return missing(field)
	}
	return nil
}

func missing(field string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required", field).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
