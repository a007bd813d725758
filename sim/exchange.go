package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// exchange is one request and its answer.
type exchange struct {
	s *Sim
	w http.ResponseWriter
	r *http.Request
	place
	n     uint64 // which request this is, from 1
	id    string // request id
	at    time.Time
	body  []byte
	in    object // the body's members, nil when it isn't a JSON object
	plan  plan
	out   *sender
	route route

	inBatch bool  // it is a line of a batch
	spent   usage // what the answer cost

	leave     func() // frees the engine; nil where none is occupied
	streaming bool   // the headers of a stream are out
}

func (s *Sim) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	n := s.counter.Add(1)
	x := &exchange{s: s, w: w, r: r, place: placeOf(r), n: n, at: s.cfg.Now(), plan: *s.plan.Load()}
	x.id = x.host.requestID(s.cfg.Seed, n)
	if said := s.scoped.said(r); said != "" {
		if p, err := parseScript(x.plan, said); err == nil {
			x.plan = p
		}
	}
	x.out = newSender(w, r, &x.plan)
	return x
}

// serve goes through the steps that a vendor's own server goes through. An error tells how the answer ended early.
func (x *exchange) serve() error {
	x.host.headers(x.w.Header(), x)
	if err := x.early(); err != nil {
		return done(err)
	}
	x.route = routeOf(x.place, x.r.Method)
	if p := x.read(); p != nil {
		return x.fail(*p)
	}
	x.s.recent.add(x.request())
	if p := x.refused(); p != nil {
		return x.fail(*p)
	}
	if p := x.script(); p != nil {
		return x.fail(*p)
	}
	if err := x.out.sleep(x.plan.headerDelay); err != nil {
		return err
	}
	if x.route.busy && x.host.selfHosted() {
		leave, err := x.admit()
		if leave == nil {
			return err
		}
		x.leave = leave
	}
	if replay, ok := x.s.replays.take(x.r, x.body); ok {
		return x.replay(replay)
	}
	if handled, err := x.broken(); handled {
		return err
	}
	return x.route.serve(x)
}

// errDone says that the answer is complete.
var errDone = errors.New("done")

func done(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// read takes the body in, up to the limit.
func (x *exchange) read() *problem {
	mine := x.route.method == x.r.Method
	if mine && x.route.bulk {
		return nil
	}
	most := x.s.cfg.MaxBody
	if mine && x.route.long {
		most = x.s.desk.limits.create
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, most))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return &problem{status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return &problem{status: http.StatusBadRequest, kind: invalidRequest, message: "The request body could not be read."}
	}
	x.body = body
	if x.route.long {
		return nil // too long to be taken apart as a whole
	}
	if json.Unmarshal(body, &x.in) != nil {
		x.in = nil
	}
	return nil
}

// refused is what the vendor checks before it looks at the body: the address, the key, the version.
func (x *exchange) refused() *problem {
	if x.route.serve == nil {
		return x.noRoute(x.r)
	}
	if x.route.method != x.r.Method {
		return x.noMethod(x.r)
	}
	if !x.route.open {
		if p := x.s.authorize(x.place, x.r.Header); p != nil {
			return p
		}
	}
	if x.host == anthropic {
		return checkVersion(x.r.Header)
	}
	return nil
}

// fail answers with an error in the vendor's shape.
func (x *exchange) fail(p problem) error {
	h := x.w.Header()
	if x.host == anthropic && h.Get("x-should-retry") == "" {
		h.Set("x-should-retry", strconv.FormatBool(p.status == 408 || p.status == 409 || p.status == 429 || p.status >= 500))
	}
	switch {
	case p.exact == nil && x.plan.flat && x.v == vLLM:
		return x.json(p.status, flatError(x.v.complete(p)))
	case p.exact == nil:
		return x.json(p.status, x.v.body(p, x.requestID()))
	case p.exact.sort == "":
		return x.out.start(p.status)
	}
	return x.whole(p.status, p.exact.sort, []byte(p.exact.text))
}

// requestID is the id that error bodies carry: of the vendors Anthropic alone tells it there.
func (x *exchange) requestID() string {
	if x.host != anthropic {
		return ""
	}
	return x.id
}

// json answers with one JSON body.
func (x *exchange) json(status int, body []byte) error {
	return x.whole(status, "application/json", body)
}

// whole answers with a body that isn't a stream.
func (x *exchange) whole(status int, sort string, body []byte) error {
	h := x.w.Header()
	h.Set("Content-Type", sort)
	if x.plan.whole() && !x.plan.slow && x.plan.split == 0 {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		x.w.WriteHeader(status)
		_, err := x.w.Write(body) //nolint:gosec // no page, and announced as such
		return gone(err)
	}
	if err := x.out.start(status); err != nil {
		return err
	}
	return x.out.raw(body)
}

func gone(err error) error {
	if err != nil {
		return errGone
	}
	return nil
}

// end finishes the answer in the way its error says, and books a client that left.
func (x *exchange) end(err error) {
	if !errors.Is(err, errGone) && x.out.drain() != nil {
		err = errGone
	}
	switch {
	case errors.Is(err, errReset):
		x.settle()
		abort(x.w)
	case errors.Is(err, errStall):
		<-x.r.Context().Done()
		err = errGone
	}
	if errors.Is(err, errGone) {
		x.s.stats.cancelled(x.cancel())
	}
}

// script reads the scripts that the request carries, on top of the configuration's.
func (x *exchange) script() *problem {
	said := x.carried()
	p, err := parseScript(x.plan, strings.Join(said, ","))
	if err != nil {
		return &problem{status: http.StatusBadRequest, kind: invalidRequest, param: "x-sim-script", message: "x-sim-script: " + err.Error()}
	}
	x.plan = p
	x.s.attempts.spend(&x.plan, strings.Join(said, ",")+x.r.URL.Path, x.body)
	return nil
}
