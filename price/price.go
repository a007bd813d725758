// Package price is what providers charge, as exact decimals that an operator can edit. A [Table] is a YAML file:
//
//	version: "2026-11-24"
//	builtin: true                     # ask the built-in table for what isn't here (the default)
//	prices:
//	  openai:                         # the provider's kind
//	    gpt-5: {input: 1.25, cached_input: 0.125, output: 10, batch: {input: 0.625, output: 5}}
//	  vllm:
//	    "qwen3-*": {input: 0.05, output: 0.1}
//
// Figures are US dollars per million tokens with at most six decimals. One dollar per million tokens is 10^6 pico-dollars
// a token, so such a figure is a whole number of pico-dollars a token and a cost is a sum of exact products; no floating
// point is involved. What has no price is unknown, which is never the same as free.
package price

import (
	"github.com/headgate-mesh/headgate/kit/conf"
)

// Table knows prices. It never changes, so it is safe for concurrent use.
type Table struct {
	version string
	kinds   map[string]*book
	// next is asked for what this table doesn't have; nil means none.
	next *Table
}

// Price is what one model costs, from one table. The zero value is of no use; [Table.Lookup] gives them.
type Price struct {
	entry   *Entry
	version string
}

// Version is the version of the table that the price comes from.
func (p Price) Version() string { return p.version }

// Lookup returns the price of a model at providers of a kind: by its exact name or an alias, else by its name without
// the date of a snapshot (gpt-5-2025-08-07 is gpt-5, unless it has a price of its own), else by the longest pattern
// that fits. False means that the price isn't known. A lookup takes well under a microsecond and allocates nothing.
func (t *Table) Lookup(kind, model string) (Price, bool) {
	for ; t != nil; t = t.next {
		if b := t.kinds[kind]; b != nil {
			if e := b.find(model); e != nil {
				return Price{entry: e, version: t.version}, true
			}
		}
	}
	return Price{}, false
}

// Version is the version of the table itself, not of the one it falls back to.
func (t *Table) Version() string { return t.version }

// Load reads the operator's file. Problems come with their line and the field's name; where the file doesn't exist the
// error is fs.ErrNotExist.
func Load(path string) (*Table, error) {
	var f File
	if err := conf.Load(path, &f); err != nil {
		return nil, err
	}
	return f.Table()
}

// Parse reads a table from memory; name is the file's, for errors.
func Parse(name string, data []byte) (*Table, error) {
	var f File
	if err := conf.Parse(name, data, &f, nil); err != nil {
		return nil, err
	}
	return f.Table()
}
