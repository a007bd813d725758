package sim

import (
	"net/http"
	"strings"
)

// authorize checks the API key as the server does: Anthropic takes it in a bearer token or in x-api-key, all others in a
// bearer token alone. A self-hosted server has no keys unless some are configured.
func (s *Sim) authorize(p place, h http.Header) *problem {
	key, isBearer := p.key(h)
	switch {
	case len(s.keys) == 0 && (key != "" || p.host.selfHosted()), key != "" && s.keys[key]:
		return nil
	case p.host == vLLM: // of its middleware, whatever is spoken behind it
		return &problem{status: http.StatusUnauthorized, exact: &exact{"application/json", `{"error":"Unauthorized"}`}}
	case p.host == tgi:
		return &problem{status: http.StatusUnauthorized, exact: &exact{}}
	case key == "":
		return &problem{status: http.StatusUnauthorized, kind: p.v.standard(http.StatusUnauthorized).kind, message: p.v.noKey()}
	}
	return p.v.wrongKey(key, isBearer)
}

// key is the one that a request brings, and whether it came as a bearer token.
func (p place) key(h http.Header) (key string, isBearer bool) {
	if p.host == anthropic && h.Get("x-api-key") != "" {
		return h.Get("x-api-key"), false
	}
	return bearer(h)
}

func (v vendor) wrongKey(key string, isBearer bool) *problem {
	bad := problem{status: http.StatusUnauthorized}
	switch {
	case v == openAI:
		bad.message = "Incorrect API key provided: " + masked(key) + ". You can find your API key at https://platform.openai.com/account/api-keys."
	case isBearer:
		bad.message = "Invalid bearer token"
	}
	return &bad
}

func bearer(h http.Header) (key string, ok bool) {
	scheme, key, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	return strings.TrimSpace(key), true
}

func (v vendor) noKey() string {
	if v == anthropic {
		return "x-api-key header is required"
	}
	return "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
}

// masked shows no more of a key than the vendor does.
func masked(key string) string {
	if len(key) <= 8 {
		return "****"
	}
	return key[:3] + "****" + key[len(key)-4:]
}
