package answers

import (
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// Hit is an answer that was kept. It belongs to one goroutine.
type Hit struct {
	value *value
	// Provider and Model gave the answer; Usage is what it cost them then, nil where they didn't tell.
	Provider, Model string
	Usage           *llmv1.TokenUsage
	// Finish is why the model stopped.
	Finish llmv1.FinishReason
	// StoredAt is when it was kept.
	StoredAt time.Time
}

// maxMessage bounds the data of one message of a stream, maxBody of a unary answer: as the relay does.
const (
	maxMessage = 64 << 10
	maxBody    = 4 << 20
)

func newHit(v *value, storedAt time.Time, waited bool) *Hit {
	label := "hit"
	if waited {
		label = "coalesced"
	}
	v.head.Headers = append(v.head.Headers, &routerv1.Header{Name: meta.Cache, Value: label})
	return &Hit{
		value: v, Provider: v.head.GetProvider(), Model: v.head.GetModel(),
		Usage: v.trailer.GetUsage(), Finish: v.trailer.GetFinishReason(), StoredAt: storedAt,
	}
}

// Replay sends the answer as it was sent the first time: the body, or every frame in order, the terminal one last. Its
// head is labelled as a hit, or as coalesced where the call had waited for somebody else's fill, and its trailer tells no usage, since none was consumed. The error is send's.
func (h *Hit) Replay(send func(*routerv1.RelayResponse) error) error {
	m := &routerv1.RelayResponse{Head: h.value.head}
	from := 0
	for _, end := range h.cuts() {
		m.Data = h.value.data[from:end]
		if from = end; from == len(h.value.data) {
			break
		}
		if err := send(m); err != nil {
			return err
		}
		m = &routerv1.RelayResponse{}
	}
	m.Trailer = &routerv1.RelayTrailer{FinishReason: h.Finish, Complete: true}
	return send(m)
}

// cuts are where messages end: as many whole frames in each as there is room for.
func (h *Hit) cuts() []int {
	size := maxBody
	if h.value.head.GetStream() {
		size = maxMessage
	}
	var cuts []int
	begin, last := 0, 0
	for _, end := range h.value.ends {
		if end-begin > size && last > begin {
			cuts = append(cuts, last)
			begin = last
		}
		last = end
	}
	return append(cuts, len(h.value.data))
}
