package mcp

import (
	"context"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// progressEvery is how often progress is told at most: a model writes faster than anybody reads.
const progressEvery = 100 * time.Millisecond

// progress tells a client how far an answer is. It belongs to one goroutine.
type progress struct {
	session *mcp.ServerSession
	token   any
	now     func() time.Time

	waiting strings.Builder
	bytes   int
	last    time.Time
}

// write adds text: what has come since the last notification leaves with the next one. The rest is in the result.
func (p *progress) write(ctx context.Context, text string) {
	if text == "" {
		return
	}
	p.waiting.WriteString(text)
	p.bytes += len(text)
	now := p.now()
	if now.Sub(p.last) < progressEvery {
		return
	}
	p.last = now
	// A client that is gone ends the call by itself.
	_ = p.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: p.token, Progress: float64(p.bytes), Message: p.waiting.String(),
	})
	p.waiting.Reset()
}
