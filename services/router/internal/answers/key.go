package answers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Ask is a question, and what its caller wants of the cache.
type Ask struct {
	// Tenant is whom the call is charged to (auth.Principal.Account). Required.
	Tenant string
	// KeyID, where it is set, keeps the answer for this key alone instead of for the whole tenant.
	KeyID string
	// Dialect and Operation are the client's.
	Dialect   llmv1.Dialect
	Operation routerv1.Operation
	// Model is the name that was resolved: the request's, or the route's. Invalidations name it.
	Model string
	// Targets are where the call may go, in order: only the first one's answers are kept.
	Targets []Target
	// Headers and Query are the client's that the dialect passes on: all of them are part of the question.
	Headers []*routerv1.Header
	Query   string
	// Body is the request's, a valid JSON object.
	Body []byte
	// Stream says that the client wants a stream. Streams and unary answers are kept apart.
	Stream bool
	// Sensitivity is the request's label.
	Sensitivity llmv1.Sensitivity

	// Wish is the caller's (x-headgate-cache); where it is empty, On decides, which is the model's configuration.
	Wish steer.Cache
	On   bool
	// TTL is how long the answer may be kept; 0 leaves that to the cache service.
	TTL time.Duration
}

// Target is one model at one provider.
type Target struct{ Provider, Model string }

// Digest stands for a question, everything in it that decides the answer included.
type Digest [sha256.Size]byte

// version changes with anything that changes what a digest or a value means.
const version = "headgate answers 1"

// omitted are the body's fields that can't change the answer: whether it is a stream is the mode, which is part of the
// key by itself. Nothing else is left out: stream_options decide which frames there are, and the fields that name an end
// user (user, safety_identifier, metadata.user_id) keep one end user's answers from another's.
const omitted = "stream"

// Key returns the digest of a question; false where the body isn't JSON that can be compared, or names no target.
func (a *Answers) Key(ask Ask) (d Digest, ok bool) {
	if ask.Tenant == "" || len(ask.Targets) == 0 {
		return d, false
	}
	buf, _ := buffers.Get().(*[]byte)
	defer giveBack(buf)
	body, err := rawjson.Canonical((*buf)[:0], ask.Body, dialect.MaxDepth, omitted)
	*buf = body
	if err != nil {
		return d, false
	}
	h := parts{Hash: hmac.New(sha256.New, a.o.Secret)}
	h.head(*a.generation.Load(), ask)
	h.bytes(body)
	h.Sum(d[:0])
	return d, true
}

// parts writes texts so that no two lists of them look alike.
type parts struct {
	hash.Hash

	size [8]byte
}

func (p *parts) head(generation string, ask Ask) {
	p.texts(version, ask.Tenant, ask.KeyID, generation, ask.Model, ask.Query, mode(ask.Stream))
	p.number(int(ask.Dialect))
	p.number(int(ask.Operation))
	p.number(len(ask.Targets))
	for _, t := range ask.Targets {
		p.texts(t.Provider, t.Model)
	}
	p.number(len(ask.Headers))
	for _, h := range slices.SortedStableFunc(slices.Values(ask.Headers), byName) {
		p.texts(h.GetName(), h.GetValue())
	}
}

func mode(stream bool) string {
	if stream {
		return "stream"
	}
	return "unary"
}

// byName leaves the values of one name in order, which may matter.
func byName(a, b *routerv1.Header) int {
	switch {
	case a.GetName() < b.GetName():
		return -1
	case a.GetName() > b.GetName():
		return 1
	}
	return 0
}

func (p *parts) texts(texts ...string) {
	for _, t := range texts {
		p.bytes([]byte(t))
	}
}

func (p *parts) bytes(b []byte) {
	p.number(len(b))
	p.Write(b)
}

func (p *parts) number(n int) {
	binary.BigEndian.PutUint64(p.size[:], uint64(n))
	p.Write(p.size[:])
}

// buffers hold canonical bodies; one that grew beyond keepBuffer isn't kept.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const keepBuffer = 256 << 10

func giveBack(buf *[]byte) {
	if cap(*buf) <= keepBuffer {
		buffers.Put(buf)
	}
}
