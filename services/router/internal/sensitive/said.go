package sensitive

// digitPairs are the second letters of those words by their first: few other words begin like any.
var digitPairs = func() (pairs [256]byteSet) {
	for _, word := range []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"} {
		pairs[word[0]][word[1]>>6] |= 1 << (word[1] & 63)
	}
	return pairs
}()

// saidDigit is the digit that a word of three to five letters says.
func saidDigit(word []byte) (d byte, ok bool) {
	if len(word) < 3 || len(word) > 5 {
		return 0, false
	}
	var small [5]byte
	for i, b := range word {
		small[i] = b | 0x20
	}
	switch string(small[:len(word)]) {
	case "zero":
		return '0', true
	case "one":
		return '1', true
	case "two":
		return '2', true
	case "three":
		return '3', true
	case "four":
		return '4', true
	case "five":
		return '5', true
	case "six":
		return '6', true
	case "seven":
		return '7', true
	case "eight":
		return '8', true
	case "nine":
		return '9', true
	}
	return 0, false
}

// saidPAN finds a card's number that is spelt out: four one one one, and so on. It begins where no digit was said before.
func (x *text) saidPAN(at, end int) {
	if at < x.alone || !x.s.on(card) {
		return
	}
	p := pan{at: at}
	for said := 0; ; said++ {
		d, ok := saidDigit(x.t[at:end])
		if !ok {
			break
		}
		if said <= maxPAN {
			p.d[said] = d
			p.n++
		}
		x.alone, p.end = end, end
		for at = end; at-end < 3 && (x.at(at) == ' ' || x.at(at) == ',' || x.at(at) == '-' || x.at(at) == '\n'); at++ {
		}
		for end = at; end-at <= 5 && classes[x.at(end)]&isLetter != 0; end++ {
		}
	}
	if p.usual() {
		x.add(card, p.at, p.end)
	}
}
