package price

import (
	"cmp"
	"encoding/json"
	"math"
	"math/bits"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Tier is a service tier, in the providers' words.
type Tier string

// The tiers that may have prices of their own.
const (
	Standard Tier = "standard"
	Batch    Tier = "batch"
	Flex     Tier = "flex"
	Priority Tier = "priority"
)

// TierOf returns the tier that a provider's count names (Anthropic: usage.service_tier), or Standard.
func TierOf(u *llmv1.TokenUsage) Tier {
	raw, ok := u.GetExtensions()["service_tier"]
	if !ok || raw == "" {
		return Standard
	}
	return parseTier([]byte(raw))
}

// parseTier reads the JSON text of a tier. What can't be read is taken for a tier that nobody has a price for.
func parseTier(raw []byte) Tier {
	var name *string
	switch err := json.Unmarshal(raw, &name); {
	case err != nil:
		return Tier(raw)
	case name == nil || *name == "" || *name == "default":
		return Standard
	}
	return Tier(*name)
}

// Cost is [Table.Lookup] and [Price.Cost] with the tier that the count names, in one. The version is that of the table
// which has the price.
func (t *Table) Cost(kind, model string, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	return t.CostIn(kind, model, TierOf(u), u)
}

// CostIn is Cost in another tier than the one that the count may name.
func (t *Table) CostIn(kind, model string, tier Tier, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	p, ok := t.Lookup(kind, model)
	if !ok {
		return 0, "", false
	}
	picoUSD, known = p.Cost(u, tier)
	if !known {
		return 0, "", false
	}
	return picoUSD, p.version, true
}

// Cost returns what a count costs in pico-dollars (10^-12 US dollars), exactly. The count follows the convention of
// llm.v1: the input includes what was read from and written to the cache, the output includes reasoning. Cache writes
// are for five minutes unless Anthropic's breakdown (cache_creation, in the extensions) says that some are for an hour.
// False means that the cost isn't known: the count is nil or makes no sense, it has tokens of a sort or a tier without
// a price, or the cost doesn't fit into 64 bits (9 million dollars).
func (p Price) Cost(u *llmv1.TokenUsage, tier Tier) (picoUSD int64, known bool) {
	list := p.entry.list(tier)
	if list == nil {
		return 0, false
	}
	c, ok := split(u)
	if !ok {
		return 0, false
	}
	rates := &list.Rates
	if l := list.LongContext; l != nil && u.GetInputTokens() > l.Above {
		rates = &l.Rates
	}
	return rates.cost(c)
}

func (e *Entry) list(t Tier) *List {
	switch t {
	case Standard, "":
		return &e.List
	case Batch:
		return e.Batch
	case Flex:
		return e.Flex
	case Priority:
		return e.Priority
	}
	return nil
}

// counts are tokens by price; they don't overlap.
type counts struct{ plain, cached, write, write1h, output, reasoning int64 }

// split takes a count apart. A server that counts cached tokens beside the input instead of within it gets the parts cut
// down to the whole, as everywhere in Headgate.
func split(u *llmv1.TokenUsage) (c counts, ok bool) {
	if u == nil || min(u.InputTokens, u.CachedInputTokens, u.CacheWriteTokens, u.OutputTokens, u.ReasoningTokens) < 0 {
		return c, false
	}
	c.cached = min(u.CachedInputTokens, u.InputTokens)
	written := min(u.CacheWriteTokens, u.InputTokens-c.cached)
	c.plain = u.InputTokens - c.cached - written
	if written > 0 {
		if c.write1h, ok = hourWrites(u.Extensions); !ok {
			return c, false
		}
		c.write1h = min(c.write1h, written)
	}
	c.write = written - c.write1h
	c.reasoning = min(u.ReasoningTokens, u.OutputTokens)
	c.output = u.OutputTokens - c.reasoning
	return c, true
}

// hourWrites is the part of the cache writes that is kept for an hour, by Anthropic's usage.cache_creation; none where
// there is no breakdown, and false where it can't be read.
func hourWrites(extensions map[string]string) (int64, bool) {
	raw, ok := extensions["cache_creation"]
	if !ok || raw == "" || raw == "null" {
		return 0, true
	}
	var breakdown struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	}
	if err := json.Unmarshal([]byte(raw), &breakdown); err != nil || breakdown.Hour < 0 {
		return 0, false
	}
	return breakdown.Hour, true
}

func (r *Rates) cost(c counts) (int64, bool) {
	hour := r.CacheWrite1h
	if r.CacheWrite == nil {
		hour = r.Input
	}
	var s sum
	s.add(c.plain, r.Input)
	s.add(c.cached, cmp.Or(r.CachedInput, r.Input))
	s.add(c.write, cmp.Or(r.CacheWrite, r.Input))
	s.add(c.write1h, hour)
	s.add(c.output, r.Output)
	s.add(c.reasoning, cmp.Or(r.Reasoning, r.Output))
	return s.total()
}

// sum adds products up and remembers what couldn't be added.
type sum struct {
	n       uint64
	unknown bool
}

func (s *sum) add(tokens int64, r *Rate) {
	if tokens == 0 {
		return
	}
	if r == nil {
		s.unknown = true
		return
	}
	high, low := bits.Mul64(uint64(tokens), uint64(*r))
	total, carry := bits.Add64(s.n, low, 0)
	s.n, s.unknown = total, s.unknown || high|carry != 0
}

func (s *sum) total() (int64, bool) {
	if s.unknown || s.n > math.MaxInt64 {
		return 0, false
	}
	return int64(s.n), true
}
