package price

import (
	"math/big"
	"strings"
)

// picoDecimals is how many decimals a dollar has in pico-dollars.
const picoDecimals = 12

// USD writes pico-dollars as an exact decimal of US dollars, without needless zeros: "0.000125".
func USD(pico int64) string { return decimal(pico, picoDecimals) }

// decimal writes n / 10^places.
func decimal(n int64, places int) string { return fixed(big.NewInt(n), places) }

// fixed writes n / 10^places, exactly and without needless zeros.
func fixed(n *big.Int, places int) string {
	text := new(big.Int).Abs(n).String()
	if missing := places + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	whole, fraction := text[:len(text)-places], strings.TrimRight(text[len(text)-places:], "0")
	if fraction != "" {
		whole += "." + fraction
	}
	if n.Sign() < 0 {
		whole = "-" + whole
	}
	return whole
}

// BigUSD is [USD] for sums that may not fit into 64 bits.
func BigUSD(pico *big.Int) string { return fixed(pico, picoDecimals) }
