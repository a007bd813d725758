package quota

// batch are the calls paid from one grant. Guarded by the stock's lock.
type batch struct {
	// open are the tokens of calls under way, unused those that came back after the grant was given back and before its
	// renewal was answered.
	open, unused int64
	// joined says that the service counts them among what can come back; factor is the stock's at the time, and epoch.
	joined bool
	factor float64
	epoch  int
}

// late is what calls of earlier grants may bring back. The service told how much can still come back: where that is less
// than the calls have, each is worth less, all alike. See package bucket for why.
type late struct {
	factor float64
	epoch  int
	// open is what calls under way are worth, back what has come back and waits.
	openWorth, back float64
}

// worth is what tokens of a batch can still bring back.
func (l *late) worth(b *batch, tokens int64) float64 {
	if !b.joined || b.epoch != l.epoch {
		return 0
	}
	return min(float64(tokens)*l.factor/b.factor, l.openWorth)
}

// settle ends a call of an earlier grant that has unused tokens.
func (l *late) settle(b *batch, tokens, unused int64) {
	if !b.joined {
		b.open -= tokens
		b.unused += unused
		return
	}
	worth := l.worth(b, tokens)
	l.openWorth -= worth
	l.back += min(worth, float64(unused))
}

// join counts the calls of a batch as late: the service knows of them now.
func (l *late) join(b *batch) {
	b.joined, b.factor, b.epoch = true, l.factor, l.epoch
	l.openWorth += float64(b.open)
	l.back += float64(b.unused)
}

// faded is the factor below which nothing comes back any more.
const faded = 1e-9

// shrink makes calls worth no more together than can come back.
func (l *late) shrink(returnable int64) {
	all := l.openWorth + l.back
	if all <= float64(returnable) {
		return
	}
	f := float64(returnable) / all
	if l.factor*f < faded {
		l.factor, l.openWorth, l.back, l.epoch = 1, 0, 0, l.epoch+1
		return
	}
	l.factor *= f
	l.openWorth *= f
	l.back *= f
}

// draw takes what has come back and is sure to be counted when it is told: by then a refill may have taken margin of it.
func (l *late) draw(returnable, margin int64) int64 {
	n := int64(min(l.back, float64(max(0, returnable-margin))))
	l.back -= float64(n)
	return n
}
