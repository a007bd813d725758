package price

import (
	"slices"
	"strings"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// File is the form in which a table is written down.
type File struct {
	// Version is written on every row of the ledger that was priced with it. Required.
	Version string `yaml:"version"`
	// Builtin asks the built-in table for models that aren't here. Default true.
	Builtin *bool `yaml:"builtin"`
	// Prices by kind of provider, and then by model: a name, or the beginning of names and a star.
	Prices conf.Map[conf.Map[Entry]] `yaml:"prices"`
}

// Entry is what one model costs.
type Entry struct {
	List `yaml:",inline"`
	// Aliases are other names, or patterns, at the same price.
	Aliases []string `yaml:"aliases"`
	// Batch, Flex and Priority are the prices of other service tiers. What was served in a tier without prices has an
	// unknown price.
	Batch    *List `yaml:"batch"`
	Flex     *List `yaml:"flex"`
	Priority *List `yaml:"priority"`
}

// List is the prices of one service tier.
type List struct {
	Rates `yaml:",inline"`
	// LongContext replaces all of the prices for a request whose input is longer; for the whole request, not only for
	// what is beyond.
	LongContext *LongContext `yaml:"long_context"`
}

// LongContext is the prices of long requests.
type LongContext struct {
	// Above is the number of input tokens, cached ones included, up to which the ordinary prices hold. Required.
	Above int64 `yaml:"above"`
	Rates `yaml:",inline"`
}

// Rates are prices of tokens.
type Rates struct {
	// Input that was neither read from the provider's prompt cache nor written to it. Required.
	Input *Rate `yaml:"input"`
	// CachedInput was read from the cache. Default: as input.
	CachedInput *Rate `yaml:"cached_input"`
	// CacheWrite was written to the cache, for five minutes where there is a choice. Default: as input.
	CacheWrite *Rate `yaml:"cache_write"`
	// CacheWrite1h was written for an hour. Default: as input where cache_write is, else unknown.
	CacheWrite1h *Rate `yaml:"cache_write_1h"`
	// Output. Default: unknown, which suits models that have none, such as embeddings.
	Output *Rate `yaml:"output"`
	// Reasoning output. Default: as output.
	Reasoning *Rate `yaml:"reasoning"`
}

// Validate reports every price that can't be right, by its path.
func (f *File) Validate() error {
	var p conf.Findings
	if f.Version == "" || len(f.Version) > maxVersion {
		p.Add("version", "has to be a text of at most %d bytes, such as a date", maxVersion)
	}
	for kind, models := range f.Prices.All() {
		checkKind(&p, kind)
		for model, e := range models.All() {
			e.check(&p, conf.Join(conf.Join("prices", kind), model))
		}
	}
	return p.Err()
}

const maxVersion = 64

// kinds are those of providers: prices of any other would never be asked for.
var kinds = []string{"openai", "anthropic", "vllm", "tgi", "openai_compatible", "grpc"}

func checkKind(p *conf.Findings, kind string) {
	if slices.Contains(kinds, kind) {
		return
	}
	advice := "known are " + strings.Join(kinds, ", ")
	if near := conf.Nearest(kind, kinds); near != "" {
		advice = "did you mean " + near + "?"
	}
	p.Add(conf.Join("prices", kind), "isn't a kind of provider; %s", advice)
}

func (e *Entry) check(p *conf.Findings, path string) {
	e.List.check(p, path)
	for _, tier := range []struct {
		name string
		list *List
	}{{"batch", e.Batch}, {"flex", e.Flex}, {"priority", e.Priority}} {
		if tier.list != nil {
			tier.list.check(p, conf.Join(path, tier.name))
		}
	}
	for _, a := range e.Aliases {
		if a == "" {
			p.Add(conf.Join(path, "aliases"), "must not hold an empty name")
		}
	}
}

func (l *List) check(p *conf.Findings, path string) {
	l.Rates.check(p, path)
	if l.LongContext != nil {
		path = conf.Join(path, "long_context")
		if l.LongContext.Above < 1 {
			p.Add(conf.Join(path, "above"), "has to be a number of tokens, at least 1")
		}
		l.LongContext.check(p, path)
	}
}

// check finds what published price lists get wrong most often: a cache that costs more to read than to do without, and
// an hour in the cache that is cheaper than five minutes.
func (r *Rates) check(p *conf.Findings, path string) {
	if r.Input == nil {
		p.Add(conf.Join(path, "input"), "is required, in US dollars per million tokens")
		return
	}
	if r.CachedInput != nil && *r.CachedInput > *r.Input {
		p.Add(conf.Join(path, "cached_input"), "must not be more than input")
	}
	if r.CacheWrite1h != nil && r.CacheWrite == nil {
		p.Add(conf.Join(path, "cache_write_1h"), "needs cache_write beside it")
	}
	if r.CacheWrite1h != nil && r.CacheWrite != nil && *r.CacheWrite1h < *r.CacheWrite {
		p.Add(conf.Join(path, "cache_write_1h"), "must not be less than cache_write")
	}
	if r.Reasoning != nil && r.Output == nil {
		p.Add(conf.Join(path, "reasoning"), "needs output beside it")
	}
}

// Table makes a valid file a table.
func (f *File) Table() (*Table, error) {
	t, err := f.own()
	if err == nil && (f.Builtin == nil || *f.Builtin) {
		t.next = Builtin()
	}
	return t, err
}

// own is the table without the built-in one behind it.
func (f *File) own() (*Table, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	t := &Table{version: f.Version, kinds: make(map[string]*book)}
	var p conf.Findings
	for kind, models := range f.Prices.All() {
		t.kinds[kind] = newBook()
		for model, e := range models.All() {
			t.kinds[kind].enter(&p, conf.Join(conf.Join("prices", kind), model), model, e)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// enter adds an entry under its name and aliases.
func (b *book) enter(p *conf.Findings, path, model string, e Entry) {
	if !b.add(model, &e) {
		p.Add(path, "is also an alias of another model; keep one of them")
	}
	for _, a := range e.Aliases {
		if !b.add(a, &e) {
			p.Add(conf.Join(path, "aliases"), "hold a name that another model has")
		}
	}
	if i := strings.IndexByte(model, '*'); i >= 0 && i < len(model)-1 {
		p.Add(path, "may have a star at its end only")
	}
}
