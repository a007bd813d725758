package sensitive

import "bytes"

// Checks take the digits, or digits and letters in capitals, of a number that has the right shape.

func always([]byte) bool { return true }

// value is the number that digits stand for.
func value(d []byte) (n int) {
	for _, c := range d {
		n = n*10 + int(c-'0')
	}
	return n
}

// weighted is the sum of digits by their weights.
func weighted(d []byte, weights ...int) (sum int) {
	for i, w := range weights {
		sum += int(d[i]-'0') * w
	}
	return sum
}

// luhn is the check of ISO/IEC 7812, annex B.
func luhn(d []byte) bool {
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if (len(d)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// mod1110 is the hybrid check of ISO/IEC 7064, MOD 11,10.
func mod1110(d []byte) bool {
	p := 10
	for _, c := range d[:len(d)-1] {
		s := (int(c-'0') + p) % 10
		if s == 0 {
			s = 10
		}
		p = 2 * s % 11
	}
	return (11-p)%10 == int(d[len(d)-1]-'0')
}

// ean is the check of GS1 numbers.
func ean(d []byte) bool {
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if (len(d)-i)%2 == 0 {
			n *= 3
		}
		sum += n
	}
	return sum%10 == 0
}

// verhoeff's check, after "Error Detecting Decimal Codes", 1969.
func verhoeff(d []byte) bool {
	const (
		multiply = "0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210"
		permute  = "01234567891576283094580379614289160435279453126870428657390127938064157046913258"
	)
	c := 0
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		c = int(multiply[c*10+int(permute[i%8*10+n]-'0')] - '0')
	}
	return c == 0
}

// same reports whether all digits are one.
func same(d []byte) bool { return bytes.Count(d, d[:1]) == len(d) }

// day reports whether month and day exist.
func day(month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 && (day < 31 || month != 4 && month != 6 && month != 9 && month != 11) &&
		(day < 30 || month != 2)
}

// yymmdd and ddmmyy report whether six digits are a date.
func yymmdd(d []byte) bool { return day(value(d[2:4]), value(d[4:6])) }
func ddmmyy(d []byte) bool { return day(value(d[2:4]), value(d[:2])) }

func compactDate(d []byte) bool {
	return year(value(d[:4])) && yymmdd(d[2:]) || year(value(d[4:])) && ddmmyy(d)
}
