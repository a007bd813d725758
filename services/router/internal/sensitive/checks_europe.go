package sensitive

import "bytes"

// nino: the prefixes that HM Revenue and Customs (NIM39110) allows.
func nino(d []byte) bool {
	if bytes.IndexByte([]byte("DFIQUV"), d[0]) >= 0 || bytes.IndexByte([]byte("DFIOQUV"), d[1]) >= 0 || d[8] > 'D' {
		return false
	}
	switch string(d[:2]) {
	case "BG", "GB", "NK", "KN", "TN", "NT", "ZZ":
		return false
	}
	return true
}

// ninoExample: the prefix that the authority itself uses in examples.
func ninoExample(d []byte) bool { return d[0] == 'Q' && d[1] == 'Q' && d[8] <= 'D' }

func nhs(d []byte) bool {
	check := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return check%11 == int(d[9]-'0') && check != 10 && !same(d)
}

func ppsn(d []byte) bool {
	sum := weighted(d, 8, 7, 6, 5, 4, 3, 2)
	if len(d) == 9 && d[8] != 'W' {
		sum += int(d[8]-'A'+1) * 9
	}
	return d[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum%23]
}

const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE"

func dni(d []byte) bool { return d[8] == dniLetters[value(d[:8])%23] }

func dniES(d []byte) bool { return string(d[:2]) == "ES" && dni(d[2:]) }

func nie(d []byte) bool {
	return d[0] >= 'X' && d[8] == dniLetters[(int(d[0]-'X')*10_000_000+value(d[1:8]))%23]
}

func nif(d []byte) bool {
	check := 11 - weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return check%11%10 == int(d[8]-'0') && d[0] != '0' && d[0] != '4' && d[0] != '7'
}

// nir: Corsica's departments count as 19 and 18.
func nir(d []byte) bool {
	if len(d) != 15 || !nirHead(d) {
		return false
	}
	n := 0
	for i, c := range d[:13] {
		switch {
		case c == 'A' && i == 6:
			n = n/10*100 + 19
		case c == 'B' && i == 6:
			n = n/10*100 + 18
		case !number(c):
			return false
		default:
			n = n*10 + int(c-'0')
		}
	}
	return 97-n%97 == value(d[13:])
}

func nirHead(d []byte) bool {
	month := value(d[3:5])
	return (d[0] == '1' || d[0] == '2' || d[0] == '7' || d[0] == '8') && (month >= 1 && month <= 12 || month >= 20 && month <= 42 || month >= 50)
}

func nirOpen(d []byte) bool { return (d[0] == '1' || d[0] == '2') && nirHead(d) }

// codiceFiscale: Italian decree of 23 December 1976. Letters may stand for digits where two people would share a code.
func codiceFiscale(d []byte) bool {
	const odd = "\x01\x00\x05\x07\x09\x0d\x0f\x11\x13\x15\x02\x04\x12\x14\x0b\x03\x06\x08\x0c\x0e\x10\x0a\x16\x19\x18\x17"
	if len(d) != 16 || number(d[0]) || number(d[5]) || number(d[8]) || number(d[11]) || number(d[15]) ||
		bytes.IndexByte([]byte("ABCDEHLMPRST"), d[8]) < 0 {
		return false
	}
	sum := 0
	for i, c := range d[:15] {
		n := int(c - 'A')
		if number(c) {
			n = int(c - '0')
		} else if i != 8 && i >= 6 && i != 11 && bytes.IndexByte([]byte("LMNPQRSTUV"), c) < 0 {
			return false
		}
		if i%2 == 0 {
			n = int(odd[n])
		}
		sum += n
	}
	return d[15] == byte('A'+sum%26)
}

// steuerID: exactly one of the first ten digits occurs two or three times.
func steuerID(d []byte) bool {
	var count [10]int
	for _, c := range d[:10] {
		count[c-'0']++
	}
	repeated := 0
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return d[0] != '0' && repeated == 1 && mod1110(d)
}

func steuerCheck(d []byte) bool { return mod1110(d) && !same(d) }

func rentenversicherung(d []byte) bool {
	n := int(d[8]-'A') + 1
	all := append(append(append(make([]byte, 0, 13), d[:8]...), byte('0'+n/10), byte('0'+n%10)), d[9:11]...)
	sum := 0
	for i, w := range [12]int{2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1} {
		product := int(all[i]-'0') * w
		sum += product/10 + product%10
	}
	return ddmmyy(d[2:8]) && sum%10 == int(d[11]-'0')
}

func svnr(d []byte) bool {
	return ddmmyy(d[4:]) && weighted(d, 3, 7, 9, 0, 5, 8, 4, 2, 1, 6)%11 == int(d[3]-'0')
}

func ahv(d []byte) bool { return value(d[:3]) == 756 && ean(d) }

func rijksregister(d []byte) bool {
	check := value(d[9:])
	n := value(d[:9])
	return day(value(d[2:4])%20, value(d[4:6])) && (97-n%97 == check || 97-(2_000_000_000+n)%97 == check)
}

func bsn(d []byte) bool {
	if len(d) == 8 {
		return d[0] != '0' && (weighted(d, 8, 7, 6, 5, 4, 3, 2)-int(d[7]-'0'))%11 == 0
	}
	return (weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)-int(d[8]-'0'))%11 == 0 && value(d) != 0
}

// personnummer: sixty is added to the day of a coordination number.
func personnummer(d []byte) bool {
	if len(d) == 12 {
		if century := value(d[:2]); century < 18 || century > 20 {
			return false
		}
		d = d[2:]
	}
	return day(value(d[2:4]), value(d[4:6])%60) && luhn(d)
}

// cpr has had no check since 2007.
func cpr(d []byte) bool { return ddmmyy(d) }

func fodselsnummer(d []byte) bool {
	first := 11 - weighted(d, 3, 7, 6, 1, 8, 9, 4, 5, 2)%11
	second := 11 - weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11
	return day(value(d[2:4])%40, value(d[:2])%40) && first%11 == int(d[9]-'0') && second%11 == int(d[10]-'0')
}

func hetu(d []byte) bool {
	digits := append(make([]byte, 0, 10), d[:6]...)
	rest := d[6:]
	if len(d) == 11 {
		if bytes.IndexByte([]byte("ABCDEFUVWXY"), d[6]) < 0 {
			return false
		}
		rest = d[7:]
	}
	digits = append(digits, rest[:3]...)
	return ddmmyy(d) && rest[3] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[value(digits)%31]
}

func isikukood(d []byte) bool {
	check := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if check == 10 {
		check = weighted(d, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11 % 10
	}
	return d[0] >= '1' && d[0] <= '8' && yymmdd(d[1:]) && check == int(d[10]-'0')
}

func personasKods(d []byte) bool { return ddmmyy(d) || d[0] == '3' && d[1] == '2' }

// pesel: the century is added to the month.
func pesel(d []byte) bool {
	return day(value(d[2:4])%20, value(d[4:6])) && (weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)+int(d[10]-'0'))%10 == 0
}

func nip(d []byte) bool { return weighted(d, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == int(d[9]-'0') }

// dowod: letters count from ten.
func dowod(d []byte) bool {
	sum := int(d[0]-'A'+10)*7 + int(d[1]-'A'+10)*3 + int(d[2]-'A'+10) + weighted(d[4:], 7, 3, 1, 7, 3)
	return sum%10 == int(d[3]-'0')
}

func rodneCislo(d []byte) bool { return day(value(d[2:4])%50%20, value(d[4:6])) && value(d)%11 == 0 }

func cnp(d []byte) bool {
	check := weighted(d, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
	if check == 10 {
		check = 1
	}
	return d[0] != '0' && yymmdd(d[1:]) && check == int(d[12]-'0')
}

func egn(d []byte) bool {
	return day(value(d[2:4])%20, value(d[4:6])) && weighted(d, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10 == int(d[9]-'0')
}

func jmbg(d []byte) bool {
	check := 11 - weighted(d, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11
	return ddmmyy(d) && check%11%10 == int(d[12]-'0')
}

func amka(d []byte) bool { return ddmmyy(d) && luhn(d) }

func rnokpp(d []byte) bool {
	sum := weighted(d, -1, 5, 7, 9, 4, 6, 10, 5, 7)
	return (sum%11+11)%11%10 == int(d[9]-'0')
}

func inn(d []byte) bool {
	if len(d) == 10 {
		return weighted(d, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == int(d[9]-'0')
	}
	return weighted(d, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == int(d[10]-'0') &&
		weighted(d, 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == int(d[11]-'0')
}

func snils(d []byte) bool {
	return weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, 1)%101%100 == value(d[9:]) && value(d) != 0
}
