package sim

import (
	"net/http"
	"strings"
)

// authorize checks the API key as the vendor does: OpenAI's in a bearer token, Anthropic's there or in x-api-key.
func (s *Sim) authorize(v vendor, h http.Header) *problem {
	key, isBearer := bearer(h)
	if v == anthropic && h.Get("x-api-key") != "" {
		key, isBearer = h.Get("x-api-key"), false
	}
	if key == "" {
		return &problem{status: http.StatusUnauthorized, kind: v.standard(http.StatusUnauthorized).kind, message: v.noKey()}
	}
	if len(s.keys) == 0 || s.keys[key] {
		return nil
	}
	p := problem{status: http.StatusUnauthorized}
	switch {
	case v == openAI:
		p.message = "Incorrect API key provided: " + masked(key) + ". You can find your API key at https://platform.openai.com/account/api-keys."
	case isBearer:
		p.message = "Invalid bearer token"
	}
	return &p
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
