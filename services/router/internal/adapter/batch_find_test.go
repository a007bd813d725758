package adapter_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func TestFindFiles(t *testing.T) {
	t.Parallel()
	v, b := newVendor(t, "openai", "first", "second")
	now := time.Now()
	v.answer("GET /batches", func(w http.ResponseWriter, r *http.Request) {
		second := r.Header.Get("Authorization") == "Bearer second"
		switch after := r.URL.Query().Get("after"); {
		case second && after == "":
			fmt.Fprintf(w, `{"data":[{"id":"b1","created_at":%d},{"id":"b2","created_at":%d,"metadata":{"headgate_job":"other"}}],"has_more":true,"last_id":"b2"}`, now.Unix()+5, now.Unix())
		case second && after == "b2":
			fmt.Fprintf(w, `{"data":[{"id":"b3","created_at":%d,"metadata":{"headgate_job":"job"}}],"has_more":true,"last_id":"b3"}`, now.Unix()-60)
		case second:
			t.Errorf("after %q", after)
		default: // too old: not read further
			fmt.Fprintf(w, `{"data":[{"id":"a1","created_at":%d}],"has_more":true,"last_id":"a1"}`, now.Unix()-130)
		}
	})
	r := &routerv1.FindJobRequest{Description: chatJob(), Lines: 2, SubmittedAt: timestamppb.New(now)}
	got, err := b.Find(t.Context(), r)
	if err != nil || got.GetJob().GetUpstreamId() != "b3" || got.GetUnclear() {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := b.Get(t.Context(), got.GetJob()); err != nil || !slices.Contains(v.asked(), "GET /batches/b3 second") {
		t.Errorf("%v, %v", err, v.asked())
	}
	r.Description.JobId = "nobody"
	v.says("GET /batches", 200, `{"data":[],"has_more":false}`)
	if got, err := b.Find(t.Context(), r); err != nil || got.GetJob() != nil || got.GetUnclear() {
		t.Errorf("%v, %v", got, err)
	}
	v.says("GET /batches", 500, `{}`)
	if _, err := b.Find(t.Context(), r); err == nil {
		t.Error("a list that can't be read counts as empty")
	}
	v.answer("GET /batches", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"data":[{"id":"b1","created_at":%d}],"has_more":true,"last_id":"b1"}`, now.Unix())
	})
	if _, err := b.Find(t.Context(), r); fault.From(err).Reason != errorsv1.Reason_REASON_PROVIDER_MALFORMED {
		t.Errorf("a list without an end: %v", err)
	}
}

func TestFindMessages(t *testing.T) {
	t.Parallel()
	at := time.Now().UTC().Truncate(time.Second)
	one := func(id, status string, age time.Duration, counts string) string {
		return fmt.Sprintf(`{"id":%q,"processing_status":%q,"created_at":%q,"request_counts":{%s}}`, id, status, at.Add(-age).Format(time.RFC3339), counts)
	}
	const two = `"processing":0,"succeeded":1,"errored":1`
	for _, test := range []struct {
		name, list, results, want string
		unclear                   bool
	}{
		{"found by its lines", one("b1", "ended", 0, two), `{"custom_id":"job-2","result":{"type":"canceled"}}`, "b1", false},
		{"found by its first line", one("b1", "ended", 0, two), `{"custom_id":"first","result":{}}`, "b1", false},
		{"somebody else's", one("b1", "ended", 0, two), `{"custom_id":"other-1","result":{}}`, "", false},
		{"a name that begins alike", one("b1", "ended", 0, two), `{"custom_id":"job2-1","result":{}}`, "", false},
		{"on its way", one("b1", "in_progress", 0, `"processing":2`), ``, "", true},
		{"of another size", one("b1", "in_progress", 0, `"processing":3`), ``, "", false},
		{"too old", one("b1", "in_progress", 3*time.Minute, `"processing":2`), ``, "", false},
		{"one on its way, one found", one("b0", "in_progress", 0, `"processing":2`) + "," + one("b1", "ended", time.Minute, two), `{"custom_id":"job-1","result":{}}`, "b1", true},
		{"none", ``, ``, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, b := newVendor(t, "anthropic")
			v.says("GET /v1/messages/batches", 200, `{"data":[`+test.list+`],"has_more":false,"first_id":null,"last_id":null}`)
			v.says("GET /v1/messages/batches/b1/results", 200, test.results+"\n"+test.results+"\n")
			got, err := b.Find(t.Context(), &routerv1.FindJobRequest{
				Description: chatJob(), Lines: 2, FirstLine: "first", SubmittedAt: timestamppb.New(at),
			})
			if err != nil || got.GetJob().GetUpstreamId() != test.want || (test.want == "" && got.GetUnclear() != test.unclear) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}
