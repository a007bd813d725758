// Package ids makes the ids of files, batches and jobs.
package ids

import (
	"crypto/rand"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	length   = 24
)

// File returns a new id of a file: file- and 24 base62 characters.
func File() string { return "file-" + random() }

// Batch returns a new id of a batch, as the dialect's vendor writes them.
func Batch(d llmv1.Dialect) string {
	if d == llmv1.Dialect_DIALECT_ANTHROPIC {
		return "msgbatch_" + random()
	}
	return "batch_" + random()
}

// Job returns a new id of a job, as providers are told it: job_ and 24 base62 characters.
func Job() string { return "job_" + random() }

// random returns base62 characters, each as likely as any other.
func random() string {
	id := make([]byte, 0, length)
	var raw [2 * length]byte
	for {
		_, _ = rand.Read(raw[:]) // it never fails
		for _, b := range raw {
			if int(b) >= 256/len(alphabet)*len(alphabet) {
				continue
			}
			if id = append(id, alphabet[int(b)%len(alphabet)]); len(id) == length {
				return string(id)
			}
		}
	}
}
