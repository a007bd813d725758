package lines

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Check looks at lines, one after the other. It keeps 16 bytes of each.
type Check struct {
	// URL is what OpenAI's lines have to name; empty where lines have no URL.
	URL string
	// MayAsk reports whether the batch's key may ask for a model.
	MayAsk func(model string) bool
	// Model is that of the first good line.
	Model string

	seen map[[16]byte]struct{}
}

const maxCustomID = 64

// Line returns what is wrong with a line, or nil.
func (c *Check) Line(l Line) *store.Problem {
	if l.Problem != nil {
		return l.Problem
	}
	p := c.frame(l)
	if p == nil {
		p = c.body(l.Body)
	}
	if p != nil {
		p.Line = l.Number
	}
	return p
}

// frame looks at what stands around the body.
func (c *Check) frame(l Line) *store.Problem {
	switch {
	case l.CustomID == "":
		return problem("missing_custom_id", "custom_id", "custom_id is required: a name of your own for the line, as text")
	case len(l.CustomID) > maxCustomID:
		return problem("invalid_custom_id", "custom_id", "custom_id must be at most %d bytes", maxCustomID)
	case c.again(l.CustomID):
		return problem("duplicate_custom_id", "custom_id", "custom_id is another line's already; each needs its own")
	case c.URL != "" && l.Method != "POST":
		return problem("invalid_method", "method", "method must be POST")
	case c.URL != "" && l.URL != c.URL:
		return problem("invalid_url", "url", "url must be %s, the endpoint of the batch", c.URL)
	case l.Body == nil:
		return problem("missing_required_parameter", "body", "the line has no body: the request as it would be sent by itself")
	case rawjson.Kind(bytes.TrimSpace(l.Body)) != 'o':
		return problem("invalid_type", "body", "the body must be a JSON object")
	}
	return nil
}

// again reports whether a name was there before.
func (c *Check) again(customID string) bool {
	if c.seen == nil {
		c.seen = make(map[[16]byte]struct{})
	}
	full := sha256.Sum256([]byte(customID))
	sum := [16]byte(full[:16])
	if _, twice := c.seen[sum]; twice {
		return true
	}
	c.seen[sum] = struct{}{}
	return false
}

// body looks at the little that has to be known of a request before it is asked.
func (c *Check) body(body []byte) *store.Problem {
	var model, stream []byte
	_ = rawjson.Object(body, maxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "model":
			model = m.Value
		case "stream":
			stream = m.Value
		}
		return true
	})
	name := word(model)
	switch {
	case name == "":
		return problem("missing_required_parameter", "body.model", "model is required, as text")
	case string(stream) == "true":
		return problem("invalid_parameter", "body.stream", "a batch has no streams: leave stream out")
	case c.MayAsk != nil && !c.MayAsk(name):
		return problem("model_not_allowed", "body.model", "the key may not ask for this model")
	}
	if c.Model == "" {
		c.Model = name
	}
	return nil
}

func problem(code, field, format string, args ...any) *store.Problem {
	return &store.Problem{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}
