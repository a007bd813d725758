package sensitive

import "bytes"

// ssn: the ranges that the Social Security Administration never gives out.
func ssn(d []byte) bool {
	area := value(d[:3])
	return area != 0 && area != 666 && area < 900 && value(d[3:5]) != 0 && value(d[5:]) != 0 && !same(d)
}

func itin(d []byte) bool {
	group := value(d[3:5])
	return d[0] == '9' && (group >= 50 && group <= 65 || group >= 70 && group <= 88 || group >= 90 && group <= 92 || group >= 94)
}

func kimlik(d []byte) bool {
	odd := weighted(d, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	even := weighted(d, 0, 1, 0, 1, 0, 1, 0, 1)
	tenth := ((odd*7-even)%10 + 10) % 10
	return d[0] != '0' && tenth == int(d[9]-'0') && (odd+even+tenth)%10 == int(d[10]-'0')
}

func teudatZehut(d []byte) bool { return luhn(d) && !same(d) }

func cpf(d []byte) bool {
	first := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	second := 11 - weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return first%11%10 == int(d[9]-'0') && second%11%10 == int(d[10]-'0') && !same(d)
}

func cnpj(d []byte) bool {
	first := 11 - weighted(d, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)%11
	second := 11 - weighted(d, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return first%11%10 == int(d[12]-'0') && second%11%10 == int(d[13]-'0') && !same(d)
}

func cuit(d []byte) bool {
	switch value(d[:2]) {
	case 20, 23, 24, 25, 26, 27, 30, 33, 34:
		return (11-weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%11 == int(d[10]-'0')
	}
	return false
}

func rut(d []byte) bool {
	body, check := d[:len(d)-1], d[len(d)-1]
	sum, weight := 0, 2
	for i := len(body) - 1; i >= 0; i-- {
		sum += int(body[i]-'0') * weight
		if weight++; weight > 7 {
			weight = 2
		}
	}
	return check == "0K987654321"[sum%11]
}

// curp: letters count from ten, with room for the Spanish N after N.
func curp(d []byte) bool {
	if d[10] != 'H' && d[10] != 'M' && d[10] != 'X' || !yymmdd(d[4:]) {
		return false
	}
	sum := 0
	for i, c := range d[:17] {
		n := int(c - '0')
		if !number(c) {
			if n = int(c-'A') + 10; c > 'N' {
				n++
			}
		}
		sum += n * (18 - i)
	}
	return (10-sum%10)%10 == int(d[17]-'0')
}

func rfc(d []byte) bool {
	letters := len(d) - 9
	return yymmdd(d[letters : letters+6])
}

func sin(d []byte) bool { return luhn(d) && d[0] != '0' && d[0] != '8' && !same(d) }

func tfn(d []byte) bool {
	if len(d) == 8 {
		return d[0] != '0' && weighted(d, 10, 7, 8, 4, 6, 3, 5, 1)%11 == 0
	}
	return weighted(d, 1, 4, 3, 7, 5, 8, 6, 9, 10)%11 == 0
}

func medicare(d []byte) bool {
	return d[0] >= '2' && d[0] <= '6' && weighted(d, 1, 3, 7, 9, 1, 3, 7, 9)%10 == int(d[8]-'0')
}

func southAfrica(d []byte) bool { return yymmdd(d) && d[10] <= '2' && luhn(d) }

func aadhaar(d []byte) bool { return d[0] >= '2' && verhoeff(d) && !same(d) }

// panIndia: the fourth letter is the kind of holder.
func panIndia(d []byte) bool { return bytes.IndexByte([]byte("PCHFATBLJGE"), d[3]) >= 0 }

// residentID: GB 11643-1999.
func residentID(d []byte) bool {
	province, year := value(d[:2]), value(d[6:10])
	if province < 11 || province > 91 || year < 1850 || year > 2100 || !yymmdd(d[8:]) {
		return false
	}
	return d[17] == "10X98765432"[weighted(d, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11]
}

func taiwan(d []byte) bool {
	const regions = "\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x22\x12\x13\x14\x15\x16\x23\x17\x18\x19\x1a\x1b\x1c\x1d\x20\x1e\x1f\x21"
	n := int(regions[d[0]-'A'])
	return (d[1] == '1' || d[1] == '2' || d[1] == '8' || d[1] == '9') && (n/10+n%10*9+weighted(d[1:], 8, 7, 6, 5, 4, 3, 2, 1, 1))%10 == 0
}

func myNumber(d []byte) bool {
	rest := weighted(d, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2) % 11
	if rest <= 1 {
		return d[11] == '0'
	}
	return 11-rest == int(d[11]-'0')
}

// rrnLook: numbers given out since October 2020 have no check.
func rrnLook(d []byte) bool { return yymmdd(d) && d[6] >= '1' && d[6] <= '8' }

func rrn(d []byte) bool { return rrnLook(d) }

func nric(d []byte) bool {
	sum := weighted(d[1:], 2, 7, 6, 5, 4, 3, 2)
	switch d[0] {
	case 'S':
		return d[8] == "JZIHGFEDCBA"[sum%11]
	case 'T':
		return d[8] == "JZIHGFEDCBA"[(sum+4)%11]
	case 'F':
		return d[8] == "XWUTRQPNMLK"[sum%11]
	case 'G':
		return d[8] == "XWUTRQPNMLK"[(sum+4)%11]
	case 'M':
		return d[8] == "KLJNPQRTUWX"[10-(sum+3)%11]
	}
	return false
}

func mykad(d []byte) bool {
	place := value(d[6:8])
	return yymmdd(d) && place != 0 && (place < 17 || place > 20) && place < 69
}

func thai(d []byte) bool {
	return (11-weighted(d, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11)%10 == int(d[12]-'0') && d[0] != '0'
}

// nik: forty is added to a woman's day.
func nik(d []byte) bool {
	province := value(d[:2])
	return province >= 11 && province <= 96 && day(value(d[8:10]), value(d[6:8])%40)
}

func emirates(d []byte) bool {
	year := value(d[3:7])
	return value(d[:3]) == 784 && year >= 1900 && year < 2100
}

func aba(d []byte) bool {
	first := value(d[:2])
	return (first <= 12 || first >= 21 && first <= 32 || first >= 61 && first <= 72 || first == 80) && value(d) != 0 &&
		weighted(d, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0
}

func clabe(d []byte) bool {
	sum := 0
	for i, c := range d[:17] {
		sum += int(c-'0') * [3]int{3, 7, 1}[i%3] % 10
	}
	return (10-sum%10)%10 == int(d[17]-'0')
}

// northAmerica: what begins with 0 or 1 isn't given out; examples rarely keep to the rest of the rules.
func northAmerica(d []byte) bool {
	if len(d) == 11 {
		return d[0] == '1' && d[1] >= '2'
	}
	return d[0] >= '2'
}

func france(d []byte) bool { return d[0] == '0' && d[1] != '0' }

func eastAsia(d []byte) bool { return d[0] == '0' && d[1] != '0' || d[0] == '1' && d[1] >= '3' }

func russia(d []byte) bool { return d[0] == '7' || d[0] == '8' }
