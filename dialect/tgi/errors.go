package tgi

import (
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// The HTTP statuses of TGI's errors.
const (
	unprocessable    = 422
	failedDependency = 424
	tooMany          = 429
	internal         = 500
	badGateway       = 502
)

// DecodeError reads an error body: an object whose error is a string, with its kind beside it, or the prose of the
// framework below. 424 is TGI's word for a failure of its own.
func DecodeError(status int, body []byte) dialect.ProviderError {
	p := dialect.DecodeError(status, body)
	if p.Status == failedDependency {
		p.Status = badGateway
	}
	if p.Code == "" {
		p.Code = p.Type
	}
	return p
}

// statuses are those of the kinds of errors, as TGI itself gives them before a stream begins.
var statuses = map[string]int{
	"overloaded": tooMany, "validation": unprocessable, "tool_error": unprocessable,
	"template_error": unprocessable, "missing_template_variable": unprocessable,
	"incomplete_generation": internal, "incomplete_generation_stream": internal,
	"stream_serialization_error": internal,
}

// failure is the error of an event of /generate_stream, under the status that it would have had before the stream.
func failure(data []byte) error {
	kind, _ := rawjson.Unquote(rawjson.Get(data, "error_type"))
	status, ok := statuses[string(kind)]
	if !ok {
		status = badGateway
	}
	p := DecodeError(status, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("http_status", strconv.Itoa(status)).With("provider_code", p.Code)
}

// beginnings are how messages of errors begin that in a chat's stream are all of status 422
// (router/src/infer/mod.rs, InferError).
var beginnings = []struct {
	text   string
	status int
}{
	{"Model is overloaded", tooMany},
	{"Request failed during generation", badGateway},
	{"Incomplete generation", internal},
}

// placed gives an error of a chat the status that its message tells of.
func placed(err error) error {
	f := fault.From(err)
	if f.Metadata["http_status"] != strconv.Itoa(unprocessable) {
		return err
	}
	for _, b := range beginnings {
		if strings.HasPrefix(f.Message, b.text) {
			return f.With("http_status", strconv.Itoa(b.status))
		}
	}
	return err
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not an answer of Text Generation Inference").Because(cause)
}
