package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Decoder turns chunks into typed events. It belongs to one goroutine.
type Decoder struct {
	started, done bool
	// piece is the chunk at hand, out the events that it gave.
	piece   piece
	out     []*llmv1.StreamEvent
	choices []*telling
	usage   *llmv1.TokenUsage
	// mirror predicts the frames that the events will be written as; nil where extensions aren't asked for.
	mirror *Encoder
}

// NewDecoder returns a decoder for one stream. With extensions, each frame's events say where they stood in it, and the
// last of them what of the frame has no words; a finish comes in its place then. Without them, finishes and usage come
// at the end: servers send more after the first finish_reason, and usage several times.
func NewDecoder(extensions bool) *Decoder {
	d := &Decoder{}
	if extensions {
		d.mirror = NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true})
	}
	return d
}

// Done reports whether [DONE] was seen.
func (d *Decoder) Done() bool { return d.done }

// Finished reports whether a finish_reason was seen for every choice that spoke: [DONE] alone may be lacking.
func (d *Decoder) Finished() bool {
	for _, t := range d.choices {
		if t.word == "" {
			return false
		}
	}
	return len(d.choices) > 0
}

// Decode returns the events that one frame completes. Errors are *fault.Error: PROVIDER_ERROR for the provider's own,
// PROVIDER_MALFORMED, or, without extensions, UNSUPPORTED for what headgate.llm.v1 has no words for.
func (d *Decoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if f.Comment || d.done {
		return nil, nil
	}
	if isDone(f.Data) {
		return d.end()
	}
	if err := d.piece.read(f.Data); err != nil {
		return nil, malformed(err)
	}
	if d.failed() || string(f.Event) == "error" {
		return nil, providerError(f.Data)
	}
	d.out = nil
	if err := d.chunk(); err != nil {
		return nil, err
	}
	if d.mirror != nil {
		d.keep(f)
	}
	return d.out, nil
}

// failed reports whether the chunk is an error, in one of the known shapes: an error that counts as true in the SDKs'
// languages, or the flat object of older vLLM and Mistral.
func (d *Decoder) failed() bool {
	p := &d.piece
	return raises(p.failed) || !p.anyChoice && (string(p.object) == `"error"` || string(p.kind) == `"error"`)
}

func (d *Decoder) chunk() error {
	d.start()
	for i := range d.piece.choices {
		c := &d.piece.choices[i]
		if failedWord(word(c.finish)) {
			return gaveUp(word(c.finish), c.failed)
		}
		if err := d.sayable(c); err != nil {
			return err
		}
		if err := d.tell(c); err != nil {
			return err
		}
	}
	d.count()
	return nil
}

// start opens the answer with the first chunk that says whose it is: Azure's first is about the prompt, and nameless.
func (d *Decoder) start() {
	p := &d.piece
	if d.started || rawjson.Empty(p.id) && !p.anyChoice {
		return
	}
	d.started = true
	created, _ := rawjson.Int(p.created)
	d.emit(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{
		Id: word(p.id), Model: word(p.model), CreatedUnixSeconds: created,
	}}})
}

// count reads the usage. vLLM may send it with every chunk, so that without extensions only the last one is told.
func (d *Decoder) count() {
	value := d.piece.usage
	if rawjson.Kind(value) != 'o' && rawjson.Kind(d.piece.groq) == 'o' {
		value = rawjson.Get(d.piece.groq, "usage")
	}
	switch {
	case rawjson.Kind(value) != 'o':
	case d.mirror == nil:
		d.usage = readUsage(value)
	default:
		d.emit(usageEvent(keepUsage(value)))
	}
}

func usageEvent(u *llmv1.TokenUsage) *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: u}}
}

func (d *Decoder) emit(e *llmv1.StreamEvent) { d.out = append(d.out, e) }

// sayable refuses what would be lost where extensions don't keep it.
func (d *Decoder) sayable(c *pieceOf) error {
	switch {
	case d.mirror != nil:
	case !rawjson.Empty(c.functionCall):
		return unsayable("a deprecated function_call")
	case !rawjson.Empty(c.audio):
		return unsayable("sound")
	case !rawjson.Empty(c.images):
		return unsayable("pictures")
	}
	return nil
}

// keep makes the events of a frame tell all of it.
func (d *Decoder) keep(f sse.Frame) {
	if len(d.out) == 0 {
		d.emit(&llmv1.StreamEvent{Frame: llmv1.FramePlace_FRAME_PLACE_LAST, Event: &llmv1.StreamEvent_Native{
			Native: &llmv1.NativeEvent{Name: string(f.Event), Json: string(f.Data)},
		}})
		return
	}
	if len(f.Event) > 0 { // a name without data is that of the frame
		d.emit(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Native{Native: &llmv1.NativeEvent{Name: string(f.Event)}}})
	}
	inside(d.out)
	last := d.out[len(d.out)-1]
	last.Frame = llmv1.FramePlace_FRAME_PLACE_LAST
	last.Extensions = object.Diff(trim(f.Data), d.mirror.predict(d.out))
}

func inside(events []*llmv1.StreamEvent) {
	for _, e := range events {
		e.Frame = llmv1.FramePlace_FRAME_PLACE_INSIDE
	}
}

// trim cuts the space around a value that was checked.
func trim(data []byte) []byte {
	cur := rawjson.NewCursor(data, dialect.MaxAnswerDepth)
	return cur.Value()
}

// end closes the answer. With extensions its events stand in no frame: [DONE] is not one of JSON.
func (d *Decoder) end() ([]*llmv1.StreamEvent, error) {
	if !d.started {
		return nil, malformed(nil)
	}
	d.done, d.out = true, nil
	d.choice(0) // there always is a first, even where the provider only spoke for others
	for _, t := range d.choices {
		d.finish(t)
	}
	if d.usage != nil {
		d.emit(usageEvent(d.usage))
	}
	if d.mirror != nil {
		inside(d.out)
	}
	return d.out, nil
}
