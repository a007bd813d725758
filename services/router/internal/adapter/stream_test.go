package adapter_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	role    = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	text    = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}` + "\n\n"
	stop    = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage   = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}` + "\n\n"
	done    = "data: [DONE]\n\n"
	comment = ": still there\n\n"

	truncated = errorsv1.Reason_REASON_STREAM_TRUNCATED
)

// begin asks for a stream and returns it.
func begin(t *testing.T, h http.HandlerFunc, s provider.Silences) provider.Stream {
	t.Helper()
	ask := openAICall(t, openAIStreamAsk)
	ask.Silences = s
	answer := relay(t, openAI(t, serve(t, h).url), ask)
	if answer.Stream == nil {
		t.Fatal("no stream")
	}
	return answer.Stream
}

// readAll reads to the end and returns what came with each verdict, and the error that ended it.
func readAll(s provider.Stream) (frames []string, actions []dialect.Action, err error) {
	for {
		f, v, err := s.Next()
		if err != nil {
			return frames, actions, err
		}
		frames, actions = append(frames, string(f.Raw)), append(actions, v.Action)
		if v.Action == dialect.Terminal || v.Action == dialect.Failed {
			return frames, actions, nil
		}
	}
}

func TestStreamWhole(t *testing.T) {
	t.Parallel()
	all := []string{comment, role, text, text, stop, usage, done}
	s := begin(t, streaming(all...), patient)
	frames, actions, err := readAll(s)
	if err != nil || !slices.Equal(frames, all) {
		t.Fatalf("%q, %v", frames, err)
	}
	want := []dialect.Action{
		dialect.Forward, dialect.Forward, dialect.Forward, dialect.Forward, dialect.Forward, dialect.Drop, dialect.Terminal,
	}
	if !slices.Equal(actions, want) {
		t.Errorf("%v, want %v", actions, want)
	}
	if r := s.Reading(); r.Usage.GetInputTokens() != 3 || r.Usage.GetOutputTokens() != 5 || r.RawFinish != "stop" || r.Model != "m" {
		t.Errorf("%+v", r)
	}
	if s.Ready() {
		t.Error("something is ready after the end")
	}
}

// TestStreamContentType: parameters and case of the media type don't matter.
func TestStreamContentType(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream;charset=UTF-8"} {
		answer := relay(t, openAI(t, serve(t, answering(200, contentType, done)).url), openAICall(t, openAIStreamAsk))
		if answer.Stream == nil {
			t.Errorf("%s is no stream", contentType)
		}
	}
}

func TestStreamBroken(t *testing.T) {
	t.Parallel()
	abort := func(frames ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			stream(w, frames...)
			panic(http.ErrAbortHandler)
		}
	}
	huge := func(w http.ResponseWriter, r *http.Request) {
		defer untilGone(r)
		stream(w, text)
		block := strings.Repeat("x", 1<<20)
		for range 17 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
		_ = http.NewResponseController(w).Flush()
	}
	cases := []struct {
		name    string
		handler http.HandlerFunc
		frames  int
		want    errorsv1.Reason
	}{
		{"no byte at all", streaming(), 0, truncated},
		{"ends after the role", streaming(role), 1, truncated},
		{"ends between frames", streaming(role, text), 2, truncated},
		{"ends after the finish reason", streaming(role, text, stop), 3, truncated},
		{"ends before the terminal frame", streaming(role, text, stop, usage), 4, truncated},
		{"ends within a frame", streaming(text, text[:20]), 1, truncated},
		{"ends within the terminal frame", streaming(text, "data: [DONE]\n"), 1, truncated},
		{"reset between frames", abort(text), 1, truncated},
		{"reset within a frame", abort(text, text[:20]), 1, truncated},
		{"no JSON", streaming(text, "data: {oops\n\n", done), 1, malformed},
		{"no object", streaming("data: 7\n\n", done), 0, malformed},
		{"a frame larger than any", huge, 1, malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frames, _, err := readAll(begin(t, c.handler, patient))
			if got := reason(t, err); got != c.want || len(frames) != c.frames {
				t.Fatalf("%v after %d frames, want %v after %d", err, len(frames), c.want, c.frames)
			}
			if !provider.AtFault(err) || fault.From(err).Metadata["provider"] != "acme" {
				t.Errorf("%v isn't the provider's", err)
			}
		})
	}
}

// TestStreamFailed: the provider's own error ends the stream, in its words, without the key it quotes.
func TestStreamFailed(t *testing.T) {
	t.Parallel()
	frame := `data: {"error":{"message":"key ` + ownKey + ` is over its quota"}}` + "\n\n"
	s := begin(t, streaming(text, frame, text, done), patient)
	frames, actions, err := readAll(s)
	if err != nil || len(frames) != 2 || actions[1] != dialect.Failed {
		t.Fatalf("%q %v %v", frames, actions, err)
	}
	if want := `data: {"error":{"message":"key [redacted] is over its quota"}}` + "\n\n"; frames[1] != want {
		t.Errorf("%q", frames[1])
	}
	if s.Ready() {
		t.Error("something is ready after the end")
	}
}

func TestStreamTimers(t *testing.T) {
	t.Parallel()
	const short = 40 * time.Millisecond
	pinging := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stream(w, role)
		for {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(short / 4):
				_, _ = io.WriteString(w, comment)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	quiet := func(frames ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			stream(w, frames...)
			untilGone(r)
		}
	}
	cases := []struct {
		name     string
		handler  http.HandlerFunc
		silences provider.Silences
		timer    string
	}{
		{"no content", quiet(role), provider.Silences{FirstContent: short, Gap: time.Minute}, "first_content"},
		{"no content, pings", pinging, provider.Silences{FirstContent: short, Gap: time.Minute}, "first_content"},
		{"content, then silence", quiet(role, text), provider.Silences{FirstContent: time.Minute, Gap: short}, "gap"},
		{"content, half a frame, then silence", quiet(text, text[:9]), provider.Silences{FirstContent: time.Minute, Gap: short}, "gap"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := readAll(begin(t, c.handler, c.silences))
			f := fault.From(err)
			if f == nil || f.Reason != errorsv1.Reason_REASON_TIMEOUT || f.Metadata["timer"] != c.timer {
				t.Fatalf("%v, want the %s timer", err, c.timer)
			}
			if !provider.AtFault(err) {
				t.Error("a silent provider isn't blamed")
			}
		})
	}
}

// TestStreamSlowReader: a client that holds the stream up is no silence of the provider's.
func TestStreamSlowReader(t *testing.T) {
	t.Parallel()
	const short = time.Second // a busy machine may hold the provider up, too
	fat := `data: {"choices":[{"delta":{"content":"` + strings.Repeat("x", 64<<10) + `"}}]}` + "\n\n"
	all := slices.Repeat([]string{fat}, 64)
	s := begin(t, streaming(append(all, done)...), provider.Silences{FirstContent: time.Minute, Gap: short})
	if _, _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * short) // the client takes nothing meanwhile
	if _, _, err := readAll(s); err != nil {
		t.Errorf("the provider sent all along, and yet: %v", err)
	}
}

func TestStreamCancelled(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	ctx, cancel := canceller(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, text)
		untilGone(r)
		close(gone)
	})
	answer, err := openAI(t, s.url).Relay(ctx, openAICall(t, openAIStreamAsk))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Stream.Close()
	if _, _, err := answer.Stream.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, _, err = answer.Stream.Next()
	if got := reason(t, err); got != errorsv1.Reason_REASON_CANCELLED || provider.AtFault(err) {
		t.Errorf("%v", err)
	}
	<-gone
}

// TestStreamGivenUp: closing in the middle ends the provider's work.
func TestStreamGivenUp(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := begin(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, text)
		untilGone(r)
		close(gone)
	}, patient)
	if _, _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-gone
}

// TestStreamEndHeldOpen: a provider that doesn't end the body after its last frame holds nobody up.
func TestStreamEndHeldOpen(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := begin(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, text, done)
		untilGone(r)
		close(gone)
	}, patient)
	if _, _, err := readAll(s); err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-gone
}

// TestConnectionReuse: a whole answer gives its connection back; one that is given up doesn't.
func TestConnectionReuse(t *testing.T) {
	t.Parallel()
	const rounds = 4
	endless := func(w http.ResponseWriter, r *http.Request) {
		stream(w, text)
		untilGone(r)
	}
	cases := []struct {
		name    string
		handler http.HandlerFunc
		ask     string
		want    int64
	}{
		{"whole streams", streaming(role, text, stop, usage, done), openAIStreamAsk, 1},
		{"streams that failed", streaming(role, `data: {"error":{"message":"no"}}`+"\n\n"), openAIStreamAsk, 1},
		{"answers", answering(200, "application/json", openAIAnswer), openAIAsk, 1},
		{"errors", answering(429, "application/json", `{"error":{"message":"no"}}`), openAIAsk, 1},
		{"streams given up", endless, openAIStreamAsk, rounds},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.handler)
			a := openAI(t, s.url)
			for range rounds {
				answer, err := a.Relay(t.Context(), openAICall(t, c.ask))
				if err != nil {
					t.Fatal(err)
				}
				if answer.Stream == nil {
					continue
				}
				for {
					_, v, err := answer.Stream.Next()
					if err != nil || v.Action == dialect.Terminal || v.Action == dialect.Failed || c.want > 1 {
						break
					}
				}
				answer.Stream.Close()
			}
			if got := s.conns.Load(); got != c.want {
				t.Errorf("%d connections for %d answers, want %d", got, rounds, c.want)
			}
		})
	}
}

// TestStreamAfterClose: a stream that was given up returns an error, never a frame.
func TestStreamAfterClose(t *testing.T) {
	t.Parallel()
	s := begin(t, streaming(text, text, done), patient)
	s.Close()
	if f, _, err := s.Next(); reason(t, err) == 0 {
		t.Errorf("%q, %v", f.Raw, err)
	}
}

// TestStreamEndsLate: Close waits a moment for an end of the body that doesn't come with the terminal frame, so that the
// connection can be used again.
func TestStreamEndsLate(t *testing.T) {
	t.Parallel()
	closing := make(chan struct{})
	s := begin(t, func(w http.ResponseWriter, _ *http.Request) {
		stream(w, text, done)
		<-closing
	}, patient)
	if _, _, err := readAll(s); err != nil {
		t.Fatal(err)
	}
	const late = 20 * time.Millisecond
	began := time.Now()
	time.AfterFunc(late, func() { close(closing) })
	if s.Close(); time.Since(began) < late {
		t.Error("the stream was given up before its end")
	}
}
