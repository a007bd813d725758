package mcp

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// Access says which web pages may call the endpoint, and under which names a gateway on loopback may be called.
type Access struct {
	// Origins are scheme://host or scheme://host:port. Pages on loopback may call a gateway on loopback without standing here.
	Origins []string
	// Hosts are names, without a port, besides those of loopback.
	Hosts []string
}

// guard keeps web pages from using a browser to reach what only its user may reach (DNS rebinding): the protocol demands
// it of every server over HTTP.
type guard struct{ origins, hosts []string }

func newGuard(a Access) guard {
	g := guard{}
	for _, o := range a.Origins {
		g.origins = append(g.origins, strings.ToLower(strings.TrimSuffix(o, "/")))
	}
	for _, h := range a.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g
}

// check refuses a request that came over loopback under a name that isn't loopback's, and a page that isn't allowed.
func (g guard) check(r *http.Request) *fault.Error {
	if overLoopback(r) && !loopback(r.Host) && !slices.Contains(g.hosts, hostname(r.Host)) {
		return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED,
			"this gateway is on loopback and isn't called by the name in Host; use 127.0.0.1 or localhost, "+
				"or ask the operator to name it in gateway.mcp.allowed_hosts")
	}
	if !g.welcome(r) {
		return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED,
			"pages of this Origin may not call MCP; ask the operator to name it in gateway.mcp.allowed_origins")
	}
	return nil
}

// welcome reports whether the page that asks may; what is no browser sends no Origin.
func (g guard) welcome(r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	page := strings.ToLower(values[0])
	if len(values) > 1 {
		return false
	}
	if slices.Contains(g.origins, page) {
		return true
	}
	u, err := url.Parse(page)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && loopback(u.Host) && loopback(r.Host)
}

// allow tells a browser that a page may read the answer.
func (g guard) allow(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	if r.Header.Get("Origin") == "" || !g.welcome(r) {
		return
	}
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Set("Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Retry-After")
}

// Preflight answers a browser that asks whether a page may call the endpoint. Browsers send no key with that question.
func (h *Handler) Preflight(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-Id", meta.NewID())
	h.access.allow(w.Header(), r)
	if err := h.access.check(r); err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "*, Authorization")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

func overLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && loopback(addr.String())
}

// loopback reports whether a host, with or without a port, is this machine by name or address.
func loopback(hostport string) bool {
	host := hostname(hostport)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.ToLower(host)
}
