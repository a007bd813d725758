package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/spool"
)

// batchBytes bounds a message beside the number of its events.
const batchBytes = 1 << 20

// shipper takes events from the log to the service. It belongs to one goroutine.
type shipper struct {
	ledger *Ledger
	// soft ends when it is time to stop, hard when the time to ship the rest is over.
	soft, hard context.Context
	reader     *spool.Reader
	stream     grpc.BidiStreamingClient[usagev1.IngestRequest, usagev1.IngestResponse]
	hangUp     context.CancelFunc
	backoff    time.Duration
	sent       int64
	failing    bool
	// events were read and aren't confirmed; end is the position behind them.
	events []*usagev1.Event
	bytes  int
	end    spool.Position
}

// run ships until ctx ends and then, for a while, what is left.
func (s *shipper) run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(s.ledger.opt.Flush, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})()
	s.soft, s.hard = ctx, hard
	defer s.sayGoodbye()
	for s.gather() {
		full := s.full()
		s.deliver()
		if !full {
			s.reader.Linger(ctx, s.ledger.opt.Linger)
		}
	}
	for s.hard.Err() == nil && s.read() {
		s.deliver()
	}
	if n, _ := s.ledger.Lag(); n > 0 {
		s.ledger.opt.Logger.Warn("usage events stay in the local log", "events", n)
	}
	return nil
}

// gather waits for an event and takes all there are into the batch; false once it is time to stop.
func (s *shipper) gather() bool {
	for !s.read() {
		if s.reader.Wait(s.soft) != nil {
			return false
		}
	}
	return s.soft.Err() == nil
}

func (s *shipper) full() bool { return len(s.events) >= s.ledger.opt.Batch || s.bytes >= batchBytes }

// read takes what is in the log into the batch, until that is full, and reports whether it holds anything.
func (s *shipper) read() bool {
	for !s.full() {
		record, end, ok, err := s.reader.Next()
		if err != nil {
			s.failed(fmt.Errorf("read the local log: %w", err))
			break
		}
		if !ok {
			break
		}
		s.end = end
		e := new(usagev1.Event)
		if err := proto.Unmarshal(record, e); err != nil { // its checksum holds, so it was written like this
			s.ledger.opt.Logger.Error("a record of the local log is no usage event; it is skipped", "bytes", len(record))
			continue
		}
		s.events = append(s.events, e)
		s.bytes += len(record)
	}
	return len(s.events) > 0
}

// deliver sends the batch until the service has it or the time is over.
func (s *shipper) deliver() {
	for s.hard.Err() == nil {
		err := s.send()
		if err == nil {
			s.confirmed()
			return
		}
		s.disconnect()
		s.failed(err)
		s.pause()
	}
}

// send ships the batch and waits for the answer.
func (s *shipper) send() error {
	if len(s.events) == 0 {
		return nil
	}
	if err := s.connect(); err != nil {
		return err
	}
	late := time.AfterFunc(s.ledger.opt.AckTimeout, s.hangUp)
	defer late.Stop()
	s.sent++
	if err := s.stream.Send(&usagev1.IngestRequest{Sequence: s.sent, Events: s.events}); err != nil {
		_, reason := s.stream.Recv() // Send itself only says EOF
		return errors.Join(err, reason)
	}
	for {
		answer, err := s.stream.Recv()
		if err != nil {
			return err
		}
		if answer.GetSequence() == s.sent {
			return nil
		}
	}
}

// connect opens a stream, unless one is open.
func (s *shipper) connect() error {
	if s.stream != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(s.hard)
	stream, err := s.ledger.client.Ingest(ctx)
	if err != nil {
		cancel()
		return err
	}
	s.stream, s.hangUp, s.sent = stream, cancel, 0
	return nil
}

// disconnect ends the stream and whatever waits on it.
func (s *shipper) disconnect() {
	if s.stream == nil {
		return
	}
	_ = s.stream.CloseSend()
	s.hangUp()
	s.stream = nil
}

// sayGoodbye ends the stream so that the service sees an ordinary end.
func (s *shipper) sayGoodbye() {
	if s.stream == nil {
		return
	}
	late := time.AfterFunc(goodbye, s.hangUp)
	defer late.Stop()
	if s.stream.CloseSend() == nil {
		_, _ = s.stream.Recv()
	}
	s.disconnect()
}

// goodbye is how long the service may take to end a stream.
const goodbye = time.Second

// confirmed frees what the service has.
func (s *shipper) confirmed() {
	if err := s.ledger.spool.Ack(s.end); err != nil {
		s.ledger.opt.Logger.Error("confirmed usage events can't be removed from the local log", "error", err)
	}
	if s.failing {
		s.ledger.opt.Logger.Info("usage events arrive again")
	}
	if s.end.Count >= s.ledger.found {
		s.ledger.shipped.Store(true)
	}
	s.events, s.bytes, s.failing, s.backoff = nil, 0, false, s.ledger.opt.BackoffMin
}

// failed logs the first failure of a row.
func (s *shipper) failed(err error) {
	if !s.failing {
		s.ledger.opt.Logger.Warn("usage events don't arrive; they wait in the local log", "error", err)
	}
	s.failing = true
}

// pause waits before the next try, twice as long each time. The end of the work cuts it short, once.
func (s *shipper) pause() {
	timer := time.NewTimer(s.backoff)
	defer timer.Stop()
	s.backoff = min(2*s.backoff, s.ledger.opt.BackoffMax)
	ending := s.soft.Done()
	if s.soft.Err() != nil {
		ending = s.hard.Done()
	}
	select {
	case <-timer.C:
	case <-ending:
		s.backoff = s.ledger.opt.BackoffMin
	}
}
