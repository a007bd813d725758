package answers

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// value is a whole answer in its dialect.
type value struct {
	// head is how it began, trailer how it ended, usage included.
	head    *routerv1.RelayHead
	trailer *routerv1.RelayTrailer
	// data is the body, or the frames; ends are the places in it where frames end, in order, and where it may be cut.
	data []byte
	ends []int
}

// errValue is what a text gets that isn't an answer to this question.
var errValue = errors.New("answers: not an answer to this question")

// encode appends the value: three lengths and as many pieces each, and the data.
func (v *value) encode(dst []byte) ([]byte, error) {
	for _, m := range []proto.Message{v.head, v.trailer} {
		dst = binary.AppendUvarint(dst, uint64(proto.Size(m)))
		var err error
		if dst, err = (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(dst, m); err != nil {
			return nil, err
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(v.ends)))
	from := 0
	for _, end := range v.ends {
		dst = binary.AppendUvarint(dst, uint64(end-from))
		from = end
	}
	return append(dst, v.data...), nil
}

// decode is the reverse; the value's data alias text.
func decode(text []byte) (*value, error) {
	v := &value{head: &routerv1.RelayHead{}, trailer: &routerv1.RelayTrailer{}}
	r := reader{text: text}
	for _, m := range []proto.Message{v.head, v.trailer} {
		if err := proto.Unmarshal(r.piece(), m); err != nil {
			return nil, errValue
		}
	}
	n := r.number()
	if n > len(r.text) {
		return nil, errValue
	}
	v.ends = make([]int, n)
	end := 0
	for i := range v.ends {
		end += r.number()
		v.ends[i] = end
	}
	if v.data = r.text; r.failed || end != len(v.data) {
		return nil, errValue
	}
	return v, nil
}

// reader takes a text apart; a failure sticks.
type reader struct {
	text   []byte
	failed bool
}

// number reads a length: at most what is left could hold.
func (r *reader) number() int {
	n, size := binary.Uvarint(r.text)
	if size <= 0 || n > uint64(len(r.text)) {
		r.failed, r.text = true, nil
		return 0
	}
	r.text = r.text[size:]
	return int(n)
}

func (r *reader) piece() []byte {
	n := r.number()
	if n > len(r.text) {
		r.failed, r.text = true, nil
		return nil
	}
	piece := r.text[:n]
	r.text = r.text[n:]
	return piece
}

// sealing is what a sealed value is longer by: a nonce of 12 bytes and a tag of 16.
const sealing = 28

// sealed encrypts a value with a key of its question's own (AES-256-GCM with a random nonce). Whatever a store may hand
// out by mistake or malice, only the answer to this question opens, and only whole; and the store can't read it.
func (a *Answers) sealed(v *value, d Digest) ([]byte, error) {
	aead, err := a.cipher(d)
	if err != nil {
		return nil, err
	}
	text, err := v.encode(make([]byte, 0, len(v.data)+2*len(v.ends)+keepHead))
	if err != nil {
		return nil, err
	}
	return aead.Seal(make([]byte, 0, len(text)+sealing), nil, text, nil), nil //nolint:gosec // it makes its own random nonce
}

// keepHead is room for the head and the trailer, mostly.
const keepHead = 512

func (a *Answers) open(sealed []byte, d Digest) (*value, error) {
	aead, err := a.cipher(d)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errValue
	}
	return decode(text)
}

func (a *Answers) cipher(d Digest) (cipher.AEAD, error) {
	h := hmac.New(sha256.New, a.seal)
	h.Write(d[:])
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
