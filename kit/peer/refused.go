package peer

import (
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// tellEvery is how often the log hears that a service refuses this process.
const tellEvery = time.Minute

// refusals tells the log of calls that were refused for this process's own credential: once in a while, however many they
// are.
type refusals struct {
	logger *slog.Logger
	// addr is where the service is; empty in this process.
	addr string
	// told is when the log heard last, in Unix nanoseconds.
	told atomic.Int64
}

func newRefusals(logger *slog.Logger, addr string) *refusals {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &refusals{logger: logger, addr: addr}
}

func (r *refusals) tell() {
	now, told := time.Now().UnixNano(), r.told.Load()
	if now-told < int64(tellEvery) || !r.told.CompareAndSwap(told, now) {
		return
	}
	r.logger.Error("the service at " + r.addr + " doesn't take this process for one of the mesh: is HEADGATE_SECRET the same?")
}

// settle is asStatus of a call's error, but for one kind: that the service refuses the credential of this process is
// nothing that its caller did, or could put right, so the caller hears SERVICE_UNAVAILABLE.
func (c *calls) settle(err error) error {
	err = asStatus(err)
	if err == nil || !c.proves || !denied(err) || !auth.RefusesPeer(err) {
		return err
	}
	c.refusals.tell()
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		"a service of Headgate can't be used; its operator finds the reason in the log").Because(err)
}

// denied reports whether a status says so. Anything else that ends a call, io.EOF above all, isn't looked at any closer.
func denied(err error) bool {
	s, ok := err.(interface{ GRPCStatus() *status.Status }) //nolint:errorlint // a wrapped one isn't from gRPC
	return ok && s.GRPCStatus().Code() == codes.PermissionDenied
}
