package catalog

import (
	"slices"
	"time"
)

// Strategy is how one of a model's targets is chosen; the others follow where it fails. Prefix affinity and hedging have
// their place here.
type Strategy uint8

const (
	// Failover takes them in the order of the configuration.
	Failover Strategy = iota
	// Weighted takes one at random, by weight.
	Weighted
	// LeastLoaded takes the less loaded one of two taken at random.
	LeastLoaded
)

var strategies = [...]string{"failover", "weighted", "least_loaded"}

// String is the configuration's word.
func (s Strategy) String() string { return strategies[s] }

// StrategyOf reads the configuration's word; empty is failover.
func StrategyOf(word string) (s Strategy, ok bool) {
	if word == "" {
		return Failover, true
	}
	i := slices.Index(strategies[:], word)
	return Strategy(max(i, 0)), i >= 0 //nolint:gosec // three of them
}

// Rand returns numbers from 0 up to 1.
type Rand func() float64

// Order returns the targets of one model in the order in which they are to be tried: by its strategy, those that are
// spared now after the others unless the strategy is failover, which leaves the slice as it is. It changes nothing.
func Order(targets []Target, now time.Time, random Rand) []Target {
	if len(targets) < 2 || targets[0].Strategy == Failover {
		return targets
	}
	var space [8]ranked
	list := rank(space[:0], targets, now, random)
	if targets[0].Strategy == LeastLoaded {
		twoChoices(list, random)
	}
	ordered := make([]Target, len(targets))
	for i, r := range list {
		ordered[i] = targets[r.index]
	}
	return ordered
}

// ranked is a target's place: the smaller class first, then the smaller key, then the configuration's order.
type ranked struct {
	index, class int
	key          float64
}

const (
	ready = iota
	fallback
	spared
)

func rank(list []ranked, targets []Target, now time.Time, random Rand) []ranked {
	for i := range targets {
		t := &targets[i]
		r := ranked{index: i, class: ready}
		switch {
		case !t.Ready(now):
			r.class = spared
		case t.Strategy == Weighted && t.Weight <= 0:
			r.class = fallback
		}
		list = append(list, r)
	}
	if targets[0].Strategy == LeastLoaded {
		score(list, targets, now)
	} else {
		draw(list, targets, random)
	}
	return sorted(list)
}

// sorted sorts in place; lists are short.
func sorted(list []ranked) []ranked {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].before(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

func (r ranked) before(other ranked) bool {
	switch {
	case r.class != other.class:
		return r.class < other.class
	case r.key != other.key:
		return r.key < other.key
	}
	return r.index < other.index
}

// twoChoices puts the better one of two of the ready first: to send everybody to the best one would bury it (Mitzenmacher,
// "The Power of Two Choices in Randomized Load Balancing"). The list is in order of score.
func twoChoices(list []ranked, random Rand) {
	n := 0
	for n < len(list) && list[n].class == ready {
		n++
	}
	if n < 2 {
		return
	}
	first := pick(n, random)
	second := pick(n-1, random)
	if second >= first {
		second++
	}
	best := min(first, second)
	if list[first].key == list[second].key {
		best = first
	}
	chosen := list[best]
	copy(list[1:best+1], list[:best])
	list[0] = chosen
}

func pick(n int, random Rand) int { return min(int(random()*float64(n)), n-1) }
