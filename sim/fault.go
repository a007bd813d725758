package sim

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// broken plays the faults that leave no room for an answer, and tells whether one did.
func (x *exchange) broken() (bool, error) {
	f := &x.plan.faults
	switch {
	case f.abort:
		return true, errReset
	case f.hang:
		return true, errStall
	case f.status != 0:
		return true, x.failAsTold()
	case f.garbage != "":
		return true, x.garbage()
	case f.empty:
		x.w.Header().Set("Content-Type", "application/json")
		x.w.WriteHeader(http.StatusOK)
		return true, nil
	}
	return false, nil
}

// failAsTold is the script's status with its retry hints and the vendor's body.
func (x *exchange) failAsTold() error {
	f, h := &x.plan.faults, x.w.Header()
	for name, value := range map[string]string{
		"Retry-After": f.retryAfter, "Retry-After-Ms": f.retryAfterMS, "X-Should-Retry": f.shouldRetry,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return x.fail(problem{status: f.status, code: f.code})
}

// garbage is what a proxy in front of a vendor might say: a 200 that is no JSON.
func (x *exchange) garbage() error {
	sort, body := "text/html; charset=utf-8", "<!DOCTYPE html>\n<html><body><h1>Please wait</h1></body></html>\n"
	if x.plan.garbage == "text" {
		sort, body = "text/plain; charset=utf-8", "upstream connect error or disconnect/reset before headers\n"
	}
	x.w.Header().Set("Content-Type", sort)
	_, err := x.w.Write([]byte(body))
	return gone(err)
}

// early answers before the body is read, if the configuration or the header says so; the answer is errDone then. As
// the body isn't known, requests are alike, for `times`, when they have the same path and script.
func (x *exchange) early() error {
	said := x.r.Header.Get(scriptHeader)
	p, err := parseScript(x.plan, said)
	if err != nil || !p.early {
		return nil // a script that can't be read is told after the body
	}
	x.s.attempts.spend(&p, "early"+said, []byte(x.r.URL.Path))
	if !p.early {
		return nil
	}
	x.plan = p
	_ = x.out.rc.EnableFullDuplex()         // without it the server reads the body before it lets the answer go
	x.w.Header().Set("Connection", "close") // the rest of the body is never read
	if err := x.out.sleep(x.plan.headerDelay); err != nil {
		return err
	}
	if handled, err := x.broken(); handled {
		return orDone(err)
	}
	return orDone(x.fail(problem{status: http.StatusRequestEntityTooLarge}))
}

func orDone(err error) error {
	if err == nil {
		return errDone
	}
	return err
}

// settled is long enough for what was sent to be acknowledged: a reset throws away what wasn't.
const settled = 20 * time.Millisecond

// settle lets what was sent arrive before a reset.
func (x *exchange) settle() {
	if x.out.bytes > 0 {
		_ = x.out.sleep(settled) // a client that leaves now gets the reset too
	}
}

// abort ends the connection with a TCP reset. Where the connection isn't to be had (HTTP/2), a deadline in the past
// makes the server reset the stream.
func abort(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	conn, _, err := rc.Hijack()
	if err != nil {
		_ = rc.SetWriteDeadline(time.Unix(1, 0))
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}
