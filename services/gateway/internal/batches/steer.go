package batches

import (
	"net/http"
	"strings"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// labels are the words of the header x-headgate-sensitivity.
var labels = map[string]llmv1.Sensitivity{
	"":       llmv1.Sensitivity_SENSITIVITY_UNSPECIFIED,
	"none":   llmv1.Sensitivity_SENSITIVITY_NONE,
	"low":    llmv1.Sensitivity_SENSITIVITY_LOW,
	"medium": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"high":   llmv1.Sensitivity_SENSITIVITY_HIGH,
}

// steer takes over what headers say for all lines of a batch.
func steer(r *http.Request, b *batchv1.CreateBatchRequest) error {
	label, ok := labels[r.Header.Get(meta.Sensitivity)]
	if !ok {
		return invalid(meta.Sensitivity, "must be none, low, medium or high")
	}
	b.Sensitivity = label
	tags := r.Header.Get(meta.Tags)
	if tags == "" {
		return nil
	}
	b.Tags = make(map[string]string)
	for _, tag := range strings.Split(tags, ",") {
		key, value, ok := strings.Cut(tag, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return invalid(meta.Tags, "must look like team=search,feature=autocomplete")
		}
		b.Tags[key] = strings.TrimSpace(value)
	}
	return nil
}

// windowOf reads a completion window such as 24h.
func windowOf(s string) (time.Duration, error) {
	if s == "" {
		return 0, missing("completion_window", "must be 24h, or less, such as 2h or 30m")
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Minute || d > 24*time.Hour {
		return 0, invalid("completion_window", "must be from 1m to 24h, such as 24h, 2h or 30m")
	}
	return d, nil
}

// durationText writes a window as windowOf reads it.
func durationText(d time.Duration) string {
	d = d.Round(time.Second)
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" || s[len(s)-1] >= '0' && s[len(s)-1] <= '9' {
		return d.String()
	}
	return s
}
