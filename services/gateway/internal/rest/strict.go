package rest

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)

// strict is JSON that ends with its one value: grpc-gateway's own decoder takes what follows for another request's.
type strict struct{ *runtime.JSONPb }

// NewDecoder implements runtime.Marshaler. The body's size is bounded by whoever made the reader.
func (s strict) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, err := io.ReadAll(r)
		switch {
		case err != nil:
			return err
		case len(body) == 0:
			return io.EOF // which is an empty message
		}
		if err := s.Unmarshal(body, v); err != nil {
			return err
		}
		if !json.Valid(body) {
			return errFollows
		}
		return nil
	})
}

var errFollows = errors.New("something follows the message")
