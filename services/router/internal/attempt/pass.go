package attempt

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Number is where in a call an attempt stands, and how the attempt tells what it meets. It belongs to the attempt's
// goroutine and is of no use after it.
type Number struct {
	// Attempts counts those that reach a provider, this one included.
	Attempts int
	// More says that another attempt may follow: what shows the client nothing is better held back.
	More bool

	pass *pass
}

// Content notes that a stream has shown something: with that the target has succeeded (promise S4). Only the first time
// counts.
func (n Number) Content() {
	if n.pass != nil {
		n.pass.content()
	}
}

// Describe names the target and the attempt in a failure that is shown before the attempt is over; Run does the same to
// what it returns.
func (n Number) Describe(err error) error {
	if n.pass == nil {
		return err
	}
	return n.pass.describe(err)
}

// pass is one attempt.
type pass struct {
	target *catalog.Target
	number int
	start  time.Time
	ticket breaker.Ticket
	shown  bool
}

func (p *pass) content() {
	if p.shown {
		return
	}
	p.shown = true
	now := time.Now()
	p.ticket.Succeed(now)
	p.target.Standing.FirstContent(now.Sub(p.start), now)
}

// end tells the target's breaker how the attempt ended; returned is false where it never did.
func (p *pass) end(err error, returned bool) {
	if p.shown {
		return
	}
	now := time.Now()
	switch waited := now.Sub(p.start); {
	case !returned:
		p.ticket.Withdraw()
	case err == nil:
		p.ticket.Succeed(now)
		p.target.Standing.Whole(waited, now)
	case p.failing(err, waited):
		p.ticket.Fail(now)
	default:
		p.ticket.Withdraw()
	}
}

// failing reports whether a failure is the target's own. A timer that the caller shortened says nothing of it; the whole
// of the configured total without an answer does, whoever ended the wait.
func (p *pass) failing(err error, waited time.Duration) bool {
	if timer := timerOf(err); timer != "" {
		if timer == upstream.TimerTotal {
			return waited >= p.target.Total-p.target.Total/whole && !p.target.Shortened.Any()
		}
		return upstream.ProvidersTimer(timer) && (!p.target.Shortened.Any() || timer == upstream.TimerConnect)
	}
	return provider.Failing(err)
}

// whole is the part of the total that may be missing from it: what went before the attempt.
const whole = 10

func timerOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == errorsv1.Reason_REASON_TIMEOUT {
		return f.Metadata["timer"]
	}
	return ""
}

// wished is the header with which the caller made a timer shorter; empty where it is the configuration's.
func (p *pass) wished(timer string) string {
	switch {
	case timer == upstream.TimerFirstContent && p.target.Shortened.FirstContent:
		return meta.FirstContentMS
	case timer == upstream.TimerGap && p.target.Shortened.Gap:
		return meta.GapMS
	}
	return ""
}

// maxName bounds a target's name in an error: a client may have chosen the model's.
const maxName = 200

// describe names the target and the attempt in a failure of the target and in a timer that ran out, once.
func (p *pass) describe(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || (f.Reason != errorsv1.Reason_REASON_TIMEOUT && !provider.AtFault(err)) || f.Metadata["attempt"] != "" {
		return err
	}
	name := p.target.Provider.Name + "/" + p.target.Model
	name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
	// The error may be the cause of a context that others read.
	named := *f
	named.Metadata = maps.Clone(f.Metadata)
	if f.Reason == errorsv1.Reason_REASON_TIMEOUT {
		what, remedy, _ := strings.Cut(f.Message, ";")
		named.Message = what + " at " + name + ", attempt " + strconv.Itoa(p.number)
		switch header := p.wished(f.Metadata["timer"]); {
		case header != "":
			named.Message += "; try again with a larger " + header
		case remedy != "":
			named.Message += ";" + remedy
		}
	}
	return named.With("target", name).With("attempt", strconv.Itoa(p.number))
}
