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

// ssn: the ranges that the Social Security Administration never gives out.
func ssn(d []byte) bool {
	area := value(d[:3])
	return area != 0 && area != 666 && area < 900 && value(d[3:5]) != 0 && value(d[5:]) != 0 && !same(d)
}

func itin(d []byte) bool {
	group := value(d[3:5])
	return d[0] == '9' && (group >= 50 && group <= 65 || group >= 70 && group <= 88 || group >= 90 && group <= 92 || group >= 94)
}

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

func kimlik(d []byte) bool {
	odd := weighted(d, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	even := weighted(d, 0, 1, 0, 1, 0, 1, 0, 1)
	tenth := ((odd*7-even)%10 + 10) % 10
	return d[0] != '0' && tenth == int(d[9]-'0') && (odd+even+tenth)%10 == int(d[10]-'0')
}

func teudatZehut(d []byte) bool { return luhn(d) && !same(d) }

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
