// Package rpc is the gRPC server that every service of the mesh stands on. One Server serves any number of listeners
// and an in-process channel, with the same interceptors in the same order, so that a service behaves alike in both.
package rpc

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/overload"
	"github.com/headgate-mesh/headgate/kit/telemetry"
)

// Options configures a Server. Every zero value has a default, given beside the field.
type Options struct {
	// Name is the service's, for the log.
	Name string
	// Logger takes one line per call. Default: discards.
	Logger *slog.Logger
	// Verifier knows the callers' keys. Default: refuses all of them.
	Verifier auth.Verifier
	// Peers knows the processes of the mesh. Default: refuses all of them, so internal methods are closed.
	Peers auth.PeerVerifier
	// Telemetry records durations and spans. Default: none.
	Telemetry *telemetry.Telemetry
	// Validate checks each message a client sends, before the handler sees it; its error is mapped as any other. It must
	// not change the message. Default: none.
	Validate func(fullMethod string, msg proto.Message) error
	// ShareMessage names the messages that cross the in-process channel by reference instead of as a copy. Sender and
	// receiver must both treat such a message as immutable once it is sent, and leave its bytes to the garbage collector:
	// a cancelled caller returns while the handler may still be reading. Default: none is shared.
	ShareMessage func(proto.Message) bool
	// Admission lets calls in that come over a listener to a method of Admitted. Default: all are.
	Admission *overload.Limiter
	// Admitted names those methods.
	Admitted func(fullMethod string) bool
	// TLS protects the listeners. Default: plaintext; see package listen for when that is allowed.
	TLS *tls.Config

	// MaxRecv is the largest message taken, in bytes. Default 32 MiB, because prompts with images exceed gRPC's 4 MiB.
	MaxRecv int
	// MaxSend is the largest message sent, in bytes. Default 64 MiB: answers with images in base64, batches.
	MaxSend int
	// MaxConcurrentStreams bounds the open calls on one connection; more wait at the client. Default 10,000: a gateway
	// carries all its clients' streams over one connection to each router.
	MaxConcurrentStreams uint32
	// MaxConnectionIdle closes a connection without calls. Default 15 min.
	MaxConnectionIdle time.Duration
	// MaxConnectionAge asks a connection's client to open another, so that new replicas get traffic; gRPC spreads it by
	// 10 %. Default 30 min.
	MaxConnectionAge time.Duration
	// MaxConnectionAgeGrace is how long calls may outlive that. Default 11 min, a minute more than the longest stream.
	MaxConnectionAgeGrace time.Duration
	// KeepaliveTime is how long a connection may be silent before it is pinged. Default 1 min.
	KeepaliveTime time.Duration
	// KeepaliveTimeout is how long the answer to a ping may take. Default 20 s.
	KeepaliveTimeout time.Duration
	// ConnectionTimeout bounds the TLS and HTTP/2 handshakes of a new connection. Default 10 s.
	ConnectionTimeout time.Duration
	// DrainTimeout bounds the graceful stop; what still runs then is cancelled. Default 25 s, within the 30 s that
	// Kubernetes grants.
	DrainTimeout time.Duration
}

// minPing is how often a client may ping; kit/peer pings every 30 s.
const minPing = 15 * time.Second

// Buffers per connection: gRPC's own 32 KiB holds hundreds of token frames.
const ioBuffer = 32 << 10

// maxHeaderBytes bounds the metadata of one call (promise K4).
const maxHeaderBytes = 32 << 10

// withDefaults fills in every zero value.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxRecv = cmp.Or(o.MaxRecv, 32<<20)
	o.MaxSend = cmp.Or(o.MaxSend, 64<<20)
	o.MaxConcurrentStreams = cmp.Or(o.MaxConcurrentStreams, 10_000)
	o.MaxConnectionIdle = cmp.Or(o.MaxConnectionIdle, 15*time.Minute)
	o.MaxConnectionAge = cmp.Or(o.MaxConnectionAge, 30*time.Minute)
	o.MaxConnectionAgeGrace = cmp.Or(o.MaxConnectionAgeGrace, 11*time.Minute)
	o.KeepaliveTime = cmp.Or(o.KeepaliveTime, time.Minute)
	o.KeepaliveTimeout = cmp.Or(o.KeepaliveTimeout, 20*time.Second)
	o.ConnectionTimeout = cmp.Or(o.ConnectionTimeout, 10*time.Second)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 25*time.Second)
	return o
}
