package auth

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

const bearer = "bearer "

// KeyFromMetadata returns the caller's key from authorization (Bearer, in any case) or x-api-key; "" where there is
// none. Two different keys, or an authorization of another scheme and no x-api-key, are INVALID_API_KEY.
func KeyFromMetadata(md metadata.MD) (string, error) {
	return oneKey(md[meta.Authorization], md[meta.APIKey])
}

// KeyFromHeader does the same with the headers of an HTTP request.
func KeyFromHeader(h http.Header) (string, error) {
	return oneKey(h["Authorization"], h["X-Api-Key"])
}

// oneKey finds the single key in all the values of both headers.
func oneKey(authorizations, apiKeys []string) (string, error) {
	found, foreign := "", false
	for _, v := range authorizations {
		key, ok := cutBearer(v)
		if !ok {
			foreign = foreign || strings.TrimSpace(v) != ""
			continue
		}
		if !agree(&found, key) {
			return "", twoKeys()
		}
	}
	for _, v := range apiKeys {
		if !agree(&found, strings.TrimSpace(v)) {
			return "", twoKeys()
		}
	}
	if found == "" && foreign {
		return "", fault.New(errorsv1.Reason_REASON_INVALID_API_KEY,
			"the Authorization header has to be of the form: Bearer, a space, the API key")
	}
	return found, nil
}

// agree notes a key; false where it differs from the one noted before.
func agree(found *string, key string) bool {
	switch {
	case key == "":
		return true
	case *found == "":
		*found = key
		return true
	}
	return *found == key
}

func cutBearer(v string) (string, bool) {
	v = strings.TrimLeft(v, " \t")
	if len(v) < len(bearer) || !strings.EqualFold(v[:len(bearer)], bearer) {
		return "", strings.EqualFold(v, strings.TrimSpace(bearer)) // "Bearer" alone holds no key, as SDKs send it unset
	}
	return strings.TrimSpace(v[len(bearer):]), true
}

func twoKeys() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY,
		"Authorization and x-api-key hold different API keys; send one of them")
}
