package sensitive

// card reports whether digits that pan has not taken are a payment card's all the same: words have to say so where the
// length or the groups aren't the usual ones.
func (c *candidate) card() bool {
	d := c.digits()
	if len(d) < 12 || len(d) > 19 || !luhn(d) || !c.x.s.on(card) {
		return false
	}
	usual, possible := issued(d)
	if !possible || same(d) || usual && c.evenly() {
		return false
	}
	return c.near()&(ofCard|ofPay) != 0 && !c.row()
}

// evenly reports whether digits stand in one group, in groups of four, or as on cards of Amex and Diners.
func (c *candidate) evenly() bool {
	if c.groups == 1 {
		return true
	}
	if c.separator == '?' || c.separator == '/' || c.separator == ',' {
		return false
	}
	switch string(c.look()) {
	case string([]byte{4, c.separator, 6, c.separator, 5}), string([]byte{4, c.separator, 6, c.separator, 4}):
		return true
	}
	return c.first == 4 && c.most == 4 && c.k-c.last == 4*(c.groups-1)
}

// issued tells whether an issuer may have given out a number of this length, and whether that is usual. The ranges are
// those the schemes publish; ISO/IEC 7812 gives them out.
func issued(d []byte) (usual, possible bool) {
	two, three, four, n := value(d[:2]), value(d[:3]), value(d[:4]), len(d)
	switch {
	case d[0] == '4': // Visa
		return n == 16, n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16, n == 16
	case two == 34, two == 37: // American Express
		return n == 15, n == 15
	case three >= 300 && three <= 305, two == 36, two == 38, two == 39: // Diners Club
		return n == 14, n == 14 || n == 16
	case four >= 3528 && four <= 3589: // JCB
		return n == 16, n >= 16
	case four == 6011, three >= 644 && three <= 649, two == 65, two == 62, two == 60, two == 81: // Discover, UnionPay, RuPay
		return n == 16 || n == 19 && two == 62, n >= 16
	case four >= 2200 && four <= 2204, four == 9792: // Mir, Troy
		return n == 16, n >= 16
	case two == 50, two >= 56 && two <= 58, two == 63, two == 67: // Maestro
		return n == 16, true
	}
	return false, false
}
