// Package complexity scores how hard a request looks, from 0 (easy) to 1, so that rules can send easy ones to a small
// model. It counts, it doesn't understand: the same request always has the same score, in every dialect, and one pass
// over its text gives it. Which score is easy is the operator's to say.
//
// Each trait of a request is turned into a number x from 0 to 1, n/(n+half) for n of what is counted, and has a weight w:
// what a request scores that has only this trait, in full. Traits are put together as 1 - (1-w1·x1)·(1-w2·x2)·…, so each
// one raises the score and none exceeds 1. What is counted in the text of what was asked last:
//
//	trait      w     half  n
//	length     0.34  110   words (two characters of a script without spaces are one)
//	hard       0.66  1.2   different words of hard work: prove, derive, design, optimise, trade-off, deadlock...
//	work       0.36  2.5   different words of plain work: explain, compare, write, implement, plan, analyse...
//	maths      0.36  3     different words of mathematics, and a quarter of its signs: ≤, ∫, ^, \frac, single Greek letters
//	code       0.30  3     fences, different words of code and its tools, a tenth of its signs: { } ; = < > [ ] _ |
//	demands    0.26  5     different words such as must, at least, without, each, and the items of lists
//	commas     0.22  10    commas
//	figures    0.22  7     numbers
//	questions  0.08  2     question marks beyond the first
//
// The words are those of English, German, French, Spanish, Italian, Portuguese, Russian, Chinese, Japanese and Korean,
// whatever the text is in; what stands in quotation marks isn't looked up, for it is seldom what is to be done. Each
// different word of easy work, such as translate, spell or thanks, lowers that again, by a
// factor of down to 0.65.
// What was asked in earlier turns counts with 0.6 of its score for each turn that it lies back: "why?" is as hard as what
// it asks about. The rest of the request adds:
//
//	trait      w     half  n
//	system     0.20  -     the score of the instructions' text
//	context    0.15  3000  words of instructions, answers and tools' results
//	tools      0.25  6     tools offered
//	results    0.10  5     tools' results
//	turns      0.08  6     turns beyond the first
//	effort     0.35  -     thinking asked for: 0.5 for medium or at least 8192 tokens, 1 for high or at least 16384
//	schema     0.08  4000  bytes of the schema of the answer
//	output     0.08  8192  tokens of the bound on the answer beyond 4096
//
// and a bound on the answer below 256 tokens lowers the score by a factor of down to 0.7. Pictures, sounds and files
// count nothing. The score has four decimals.
//
// How well this tells requests apart is tested on testdata: labelled.jsonl (130 prompts in ten languages), second.jsonl
// (40, after which words and traits were added), and held_out.jsonl (46, written when that was done). The share of pairs
// of an easy and a hard prompt that the score puts in order is 1.00, 0.98 and 0.96; what it gets wrong are short questions
// in plain words with a hard answer. Below 0.25 are all easy, a quarter of the medium and none of the hard prompts of the
// first file, and all but one of the easy and a fifth of the hard ones of the last; below 0.35, which sends more to the
// small model, three quarters of the medium and almost half of those hard ones.
package complexity

import (
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Body scores a chat's body, in either dialect. It doesn't check it: what can't be read counts nothing.
func Body(body []byte) float64 {
	r := reader{scan: true}
	r.body(body)
	return r.score()
}

// Prompt scores a typed prompt: the same as the body that it was read from.
func Prompt(p *llmv1.Prompt) float64 {
	r := reader{scan: true}
	r.prompt(p)
	return r.score()
}

// Shape is what is countable of a request without looking at its text.
type Shape struct {
	// Tools are those offered.
	Tools int
	// Messages are those of the conversation: instructions don't count.
	Messages int
	// Media is whether a picture, a sound or a file is in it, in content or by address.
	Media bool
}

// ShapeOf returns the shape of a chat's body, in either dialect. It doesn't check it.
func ShapeOf(body []byte) Shape {
	var r reader
	r.body(body)
	return r.shape
}

// ShapeOfPrompt returns the shape of a typed prompt.
func ShapeOfPrompt(p *llmv1.Prompt) Shape {
	var r reader
	r.prompt(p)
	return r.shape
}
