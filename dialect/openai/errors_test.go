package openai_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func TestErrorWords(t *testing.T) {
	t.Parallel()
	provider := func(status, code string) *fault.Error {
		return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "m").With("http_status", status).With("provider_code", code)
	}
	cases := map[string]struct {
		e    *fault.Error
		want string
	}{
		"a field":          {fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "m").With("field", "stream"), `"type":"invalid_request_error","param":"stream","code":"INVALID_FIELD"`},
		"no such model":    {fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "m"), `"type":"invalid_request_error","param":null,"code":"model_not_found"`},
		"no key":           {fault.New(errorsv1.Reason_REASON_MISSING_API_KEY, "m"), `"type":"invalid_request_error","param":null,"code":"invalid_api_key"`},
		"a limit":          {provider("429", ""), `"type":"requests","param":null,"code":"rate_limit_exceeded"`},
		"a limit, named":   {provider("429", "insufficient_quota"), `"type":"requests","param":null,"code":"insufficient_quota"`},
		"a budget":         {fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED, "m"), `"type":"insufficient_quota","param":null,"code":"insufficient_quota"`},
		"no price":         {fault.New(errorsv1.Reason_REASON_PRICE_UNKNOWN, "m").With("field", "model"), `"type":"invalid_request_error","param":"model","code":"PRICE_UNKNOWN"`},
		"too long":         {provider("400", "context_length_exceeded"), `"type":"invalid_request_error","param":null,"code":"context_length_exceeded"`},
		"the provider":     {provider("503", ""), `"type":"server_error","param":null,"code":"PROVIDER_ERROR"`},
		"a stream cut off": {fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "m"), `"type":"server_error","param":null,"code":"STREAM_TRUNCATED"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := `{"error":{"message":"m",` + c.want + `}}`
			if got := string(openai.ErrorBody(c.e, "r")); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := string(openai.ErrorFrame(c.e, "r")); got != "data: "+want+"\n\n" || strings.Count(got, "\n") != 2 {
				t.Errorf("got %q", got)
			}
		})
	}
}
