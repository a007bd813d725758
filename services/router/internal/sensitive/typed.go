package sensitive

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Prompt looks into a prompt: every text in it, tool arguments and results, instructions, descriptions and schemas of
// tools, and extensions, but for ids, seals and media.
func (s *Scanner) Prompt(p *llmv1.Prompt) Report { return s.message(p) }

// Input looks into what is to be embedded. Texts that are tokens already aren't known and aren't looked into.
func (s *Scanner) Input(in *llmv1.EmbeddingInput) Report { return s.message(in) }

// RedactPrompt is RedactBody for a prompt, which stays as it is: the result is a changed clone.
func (r Report) RedactPrompt(p *llmv1.Prompt, detectors []string) (*llmv1.Prompt, Report) {
	return redacted(r, p, detectors)
}

// RedactInput is RedactBody for what is to be embedded, which stays as it is: the result is a changed clone.
func (r Report) RedactInput(in *llmv1.EmbeddingInput, detectors []string) (*llmv1.EmbeddingInput, Report) {
	return redacted(r, in, detectors)
}

func (s *Scanner) message(m proto.Message) Report {
	w := s.walk()
	defer w.release()
	fields{leaf: w.field}.visit(m.ProtoReflect())
	return s.report(w, 0)
}

func redacted[M proto.Message](r Report, m M, detectors []string) (M, Report) {
	if r.scanner == nil || !m.ProtoReflect().IsValid() {
		return m, r
	}
	clone, _ := proto.Clone(m).(M)
	wanted := r.scanner.wanted(detectors)
	change := func(f field, text []byte) []byte { return r.scanner.redactField(f, text, wanted) }
	fields{change: change}.visit(clone.ProtoReflect())
	return clone, r.scanner.message(clone)
}

// form is what kind of text a field holds.
type form uint8

const (
	asText form = iota
	asJSON
	asBytes
)

// field is a text within a message.
type field struct {
	form form
	// key is the extension's name, for what is one.
	key string
	// native says that its members are those of requests.
	native bool
}

// fields visits every text of a message in a fixed order. A field that isn't known here is visited: what is added to
// the vocabulary later is looked into from the first day.
type fields struct {
	leaf   func(f field, text []byte)
	change func(f field, text []byte) []byte
}

// skipped are the fields that no person writes.
var skipped = map[protoreflect.FullName]bool{
	"headgate.llm.v1.ToolCallPart.id": true, "headgate.llm.v1.ToolCallResponsePart.id": true, "headgate.llm.v1.FilePart.id": true,
	"headgate.llm.v1.ReasoningPart.signature": true, "headgate.llm.v1.ReasoningPart.redacted": true,
	"headgate.llm.v1.BlobPart.mime_type": true, "headgate.llm.v1.UriPart.mime_type": true, "headgate.llm.v1.Citation.type": true,
	"headgate.llm.v1.NativePart.type": true, "headgate.llm.v1.Reasoning.effort": true, "headgate.llm.v1.Reasoning.display": true,
	"headgate.llm.v1.Sampling.logit_bias": true,
}

// jsonFields hold JSON text always; true are those whose members are those of requests.
var jsonFields = map[protoreflect.FullName]bool{
	"headgate.llm.v1.Tool.input_schema": false, "headgate.llm.v1.Tool.native": true, "headgate.llm.v1.ResponseFormat.schema": false,
	"headgate.llm.v1.NativePart.json": true,
}

func (v fields) visit(m protoreflect.Message) {
	list := m.Descriptor().Fields()
	for i := range list.Len() {
		f := list.Get(i)
		if !m.Has(f) || skipped[f.FullName()] {
			continue
		}
		switch {
		case f.IsMap():
			v.table(m, f)
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			items := m.Get(f).List()
			for j := range items.Len() {
				v.visit(items.Get(j).Message())
			}
		case f.Kind() == protoreflect.MessageKind:
			v.visit(m.Get(f).Message())
		default:
			v.scalar(m, f)
		}
	}
}

func (v fields) scalar(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	kind := field{form: asText}
	native, isJSON := jsonFields[f.FullName()]
	switch {
	case f.Kind() == protoreflect.BytesKind:
		kind.form = asBytes
	case f.Kind() != protoreflect.StringKind:
		return
	case isJSON:
		kind.form, kind.native = asJSON, native
	}
	if !f.IsList() {
		if changed, ok := v.one(kind, m.Get(f)); ok {
			m.Set(f, changed)
		}
		return
	}
	items := m.Get(f).List()
	for i := range items.Len() {
		if changed, ok := v.one(kind, items.Get(i)); ok {
			items.Set(i, changed)
		}
	}
}

// table visits a map: extensions are JSON text by their name, the names themselves are looked into as well.
func (v fields) table(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if f.MapKey().Kind() != protoreflect.StringKind || f.MapValue().Kind() != protoreflect.StringKind {
		return
	}
	entries := m.Get(f).Map()
	values := make(map[string]string, entries.Len())
	entries.Range(func(k protoreflect.MapKey, value protoreflect.Value) bool {
		values[k.String()] = value.String()
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(values)) {
		at := protoreflect.ValueOfString(key).MapKey()
		value := protoreflect.ValueOfString(values[key])
		if changed, ok := v.one(field{form: asJSON, key: key}, value); ok {
			value = changed
			entries.Set(at, value)
		}
		if changed, ok := v.one(field{form: asText}, protoreflect.ValueOfString(key)); ok {
			entries.Clear(at)
			entries.Set(changed.MapKey(), value)
		}
	}
}

func (v fields) one(f field, value protoreflect.Value) (protoreflect.Value, bool) {
	var text []byte
	if f.form == asBytes {
		text = value.Bytes()
	} else {
		text = []byte(value.String())
	}
	if v.leaf != nil {
		v.leaf(f, text)
		return value, false
	}
	changed := v.change(f, text)
	if string(changed) == string(text) {
		return value, false
	}
	if f.form == asBytes {
		return protoreflect.ValueOfBytes(changed), true
	}
	return protoreflect.ValueOfString(string(changed)), true
}

// field looks into one text.
func (w *walk) field(f field, text []byte) {
	switch {
	case f.form == asBytes && !readable(text[:min(len(text), sniffed)]):
		return
	case f.form == asJSON && rawjson.Check(text, dialect.MaxAnswerDepth) == nil:
		p := place{key: []byte(f.key), depth: 1}
		if f.native {
			p.depth = 0
		}
		w.document(&view{data: text}, 0, p)
	default:
		w.source(text)
	}
}

// source looks into text that stands in no JSON string.
func (w *walk) source(text []byte) {
	w.bare = true
	w.plain(&view{data: text}, 0, place{})
	w.bare = false
}

// redactField is a text without what was found in it.
func (s *Scanner) redactField(f field, text []byte, wanted []bool) []byte {
	blot := func(k kind) []byte { return s.mark(find{kind: k, quotes: f.form == asJSON}) }
	return s.redact(text, wanted, func(w *walk, text []byte) { w.field(f, text) }, blot)
}

func (s *Scanner) redactText(text []byte, wanted []bool) []byte {
	return s.redact(text, wanted, (*walk).source, func(k kind) []byte { return s.mark(find{kind: k}) })
}

// redact looks again after each change. What has too many finds, or has some again and again, is blotted out as a whole.
func (s *Scanner) redact(text []byte, wanted []bool, look func(w *walk, text []byte), blot func(k kind) []byte) []byte {
	for pass := 0; ; pass++ {
		w := s.walk()
		look(w, text)
		r := s.report(w, len(text))
		w.release()
		k, found := r.first(wanted)
		switch {
		case !found:
			return text
		case r.over || pass == maxPasses:
			return blot(k)
		}
		text = rawjson.Splice(text, s.edits(text, r.finds, wanted)...)
	}
}
