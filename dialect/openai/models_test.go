package openai_test

import (
	"encoding/json"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func TestModels(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"a page": "<html>", "no data": "{}", "an error": `{"error":{}}`, "null": `{"data":null}`} {
		if _, err := openai.DecodeModels([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []*llmv1.Model{{Id: "org/m", OwnedBy: "o", CreatedUnixSeconds: 5}, {Id: "n"}}
	got, err := openai.DecodeModels(openai.EncodeModels(want))
	if err != nil || len(got) != 2 || got[0].GetId() != "org/m" || got[0].GetOwnedBy() != "o" || got[0].GetCreatedUnixSeconds() != 5 || got[1].GetId() != "n" {
		t.Errorf("got %v, %v", got, err)
	}
	if body := openai.EncodeModels(nil); string(body) != `{"object":"list","data":[]}` || !json.Valid(openai.EncodeModel(want[0])) {
		t.Errorf("got %s", body)
	}
}
