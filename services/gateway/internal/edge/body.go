package edge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	// progressStep is how much of a body has to come within Limits.ReadProgress.
	progressStep = 16 << 10
	// trusted is how much memory a client's word for its body's length is worth before the bytes are here.
	trusted = 512 << 10
)

// ReadBody reads a request's body within the limits. A body that is compressed, too large, too slow or cut short is a
// *fault.Error; the deadline of its last part stays in force then, so that what is left of it doesn't hold the connection.
func ReadBody(w http.ResponseWriter, r *http.Request, l Limits) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE,
			"compressed request bodies aren't taken; send the body without content-encoding")
	}
	if r.ContentLength > l.MaxBody {
		return nil, tooLarge(l.MaxBody)
	}
	rc := http.NewResponseController(w)
	body := make([]byte, 0, initialSize(r.ContentLength))
	for {
		_ = rc.SetReadDeadline(time.Now().Add(l.ReadProgress))
		var err error
		body, err = readStep(r.Body, body)
		if int64(len(body)) > l.MaxBody {
			return nil, tooLarge(l.MaxBody)
		}
		if errors.Is(err, io.EOF) {
			// The deadline has to go before the answer: net/http reads on in the background to notice a client that leaves.
			_ = rc.SetReadDeadline(time.Time{})
			return body, nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
	}
}

func initialSize(length int64) int64 {
	if length < 0 {
		return 4 << 10
	}
	return min(length+1, trusted) // one more than the body, so that the end is seen without growing
}

// readStep reads until a step is complete or the body ends.
func readStep(r io.Reader, body []byte) ([]byte, error) {
	for goal := len(body) + progressStep; len(body) < goal; {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return fault.New(errorsv1.Reason_REASON_REQUEST_TOO_LARGE,
		"the body is larger than %d bytes; send less, or ask the operator to raise gateway.max_body", limit).
		With("limit_bytes", strconv.FormatInt(limit, 10))
}

func unreadable(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fault.New(errorsv1.Reason_REASON_REQUEST_TOO_SLOW, "the body came too slowly; send it faster").Because(err)
	}
	return fault.New(errorsv1.Reason_REASON_CANCELLED, "the body was cut short").Because(err)
}
