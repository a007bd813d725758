package guard

import (
	"context"
	"errors"
	"net"
)

// errAlone says that the shared store isn't there to be asked.
var errAlone = errors.New("alone")

// outcome is what an operation of the shared store came to.
type outcome[T any] struct {
	value T
	err   error
}

// ask runs an operation of the shared store and learns from its outcome. The errors are errAlone, ErrLate and that of ctx.
// Where nobody waits for the answer any more and the operation may have happened nevertheless, undo is called once it is
// over; nil where nothing is to be undone.
func ask[T any](ctx context.Context, g *Guard, do func(context.Context) (T, error), undo func()) (T, error) {
	var none T
	if g.Remote == nil || g.pulse.Gone() {
		return none, errAlone
	}
	waiting, question := g.pulse.Ask(ctx, g.Timeout)
	done := make(chan outcome[T], 1)
	go func() {
		// Its own deadline: the driver doesn't hear of a context that is cancelled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.Timeout)
		defer cancel()
		v, err := do(ctx)
		done <- outcome[T]{v, err}
	}()
	select {
	case o := <-done:
		if late(o.err) {
			break
		}
		if o.err != nil {
			question.Failed(o.err)
			g.Logger.Debug("the shared store of limits didn't answer", "cause", o.err.Error())
			return none, g.after(undo, errAlone)
		}
		question.Answered()
		return o.value, nil
	case <-waiting.Done():
		if undo != nil {
			go undoAfter(done, undo)
			undo = nil
		}
	}
	question.Left()
	switch {
	case ctx.Err() != nil:
		return none, g.after(undo, ctx.Err())
	case g.pulse.Gone():
		return none, g.after(undo, errAlone)
	}
	return none, g.after(undo, ErrLate)
}

// undoAfter undoes an operation once it is over.
func undoAfter[T any](done <-chan outcome[T], undo func()) {
	<-done
	undo()
}

// after undoes what may have happened, and returns err.
func (g *Guard) after(undo func(), err error) error {
	if undo != nil {
		undo()
	}
	return err
}

// late reports whether an operation got no answer in its time, for want of a connection too: that alone doesn't say that
// nobody is there.
func late(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout())
}
