package mcp

import (
	"bytes"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// message is what the endpoint itself has to know of a JSON-RPC message; the SDK reads the rest.
type message struct {
	// call is the request's id as JSON text; empty where it is none, or a batch, whose calls can't be cancelled apart.
	call string
	// cancels is the id, as JSON text, of the call that a notification cancels.
	cancels string
	// initialize says that a client of one of the older protocols introduces itself.
	initialize bool
}

// maxBatch bounds how much of the gateway one request of the oldest protocol may use: each of its messages is a call.
const maxBatch = 16

// tooMany reports whether a body that is valid JSON holds more messages than a request may.
func tooMany(body []byte) bool {
	body = bytes.TrimSpace(body)
	if rawjson.Kind(body) != 'a' {
		return false
	}
	n := 0
	rawjson.Array(body, func([]byte) bool {
		n++
		return n <= maxBatch
	})
	return n > maxBatch
}

// maxID bounds the ids that are remembered; a longer one can't be cancelled.
const maxID = 128

// readMessage reads a body that is valid JSON.
func readMessage(body []byte) message {
	var m message
	body = bytes.TrimSpace(body)
	if rawjson.Kind(body) != 'o' {
		return m
	}
	method, _ := rawjson.Unquote(rawjson.Get(body, "method"))
	switch string(method) {
	case "notifications/cancelled":
		if params := rawjson.Get(body, "params"); rawjson.Kind(params) == 'o' {
			m.cancels = id(rawjson.Get(params, "requestId"))
		}
		return m
	case "initialize":
		m.initialize = true
	}
	m.call = id(rawjson.Get(body, "id"))
	return m
}

func id(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) > maxID || bytes.Equal(text, []byte("null")) {
		return ""
	}
	return string(text)
}
