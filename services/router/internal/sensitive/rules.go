package sensitive

import "strings"

// rule is one kind of number.
type rule struct {
	kind kind
	// valid tells whether the characters are such a number.
	valid func(d []byte) bool
	// alone says that the number is so particular that it needs no words to say what it is, unless they say that it is
	// something else.
	alone bool
	// means are the words that say what it is.
	means topics
	// capitals says that its letters aren't small, unless words say what it is.
	capitals bool
}

func (r *rule) holds(c *candidate) bool {
	if !c.x.s.on(r.kind) || !r.valid(c.text()) || same(c.text()) {
		return false
	}
	if !r.alone || r.capitals && c.lower > 0 || c.row() || c.groups == 1 && c.x.suffix(c.at) {
		return c.near()&r.means != 0 && !c.x.rather(c.at, c.end, r.means)
	}
	return !c.x.unlike(c.at, c.end, r.means)
}

// shapes are the rules by the shape of what they are for.
var shapes = func() map[string][]rule {
	index := make(map[string][]rule)
	for _, entry := range numbering {
		for _, shape := range strings.Fields(entry.shapes) {
			key := compile(shape)
			index[key] = append(index[key], entry.rule)
		}
	}
	return index
}()

// compile reads a shape as it is written below: numbers for runs of digits, small letters for runs of letters (a for
// one, b for two), ~ for a space, and the other separators as they are.
func compile(shape string) string {
	var key []byte
	for i := 0; i < len(shape); i++ {
		switch c := shape[i]; {
		case number(c):
			n := c - '0'
			for ; i+1 < len(shape) && number(shape[i+1]); i++ {
				n = n*10 + shape[i+1] - '0'
			}
			key = append(key, n)
		case c == '~':
			key = append(key, ' ')
		default:
			key = append(key, c)
		}
	}
	return string(key)
}

// numbering is the numbers that persons have, by the shapes they are written in. The source of each check is beside it.
var numbering = []struct {
	shapes string
	rule
}{
	// United States: social security number, individual taxpayer's number.
	{"3-2-4", rule{kind: nationalID, valid: ssn, alone: true, means: ofSSN | ofID}},
	{"9 3~2~4 3.2.4 3_2_4 3~3~3 3/2/4", rule{kind: nationalID, valid: ssn, means: ofSSN}},
	{"2-7", rule{kind: nationalID, valid: always, means: ofSSN}},
	{"3-2-4 9 3~2~4", rule{kind: nationalID, valid: itin, means: ofSSN}},
	// United Kingdom: national insurance, health service, taxpayer's reference.
	{"b6a b~2~2~2~a b-2-2-2-a b2~2~2a b2~2~2~a b~6~a b6~a b~6a b.2.2.2.a", rule{kind: nationalID, valid: nino, alone: true, means: ofID, capitals: true}},
	{"b6a b~2~2~2~a", rule{kind: nationalID, valid: ninoExample, means: ofID}},
	{"10 3~3~4 3-3-4", rule{kind: nationalID, valid: nhs, means: ofHealth}},
	// Ireland: personal public service number.
	{"7a 7b", rule{kind: nationalID, valid: ppsn, means: ofID}},
	// Spain: national and foreigner's identity.
	{"8a 8-a 8~a 2.3.3-a 2.3.3a 2.3.3~a 2~3~3~a", rule{kind: nationalID, valid: dni, alone: true, means: ofID, capitals: true}},
	{"b8a", rule{kind: nationalID, valid: dniES, alone: true, means: ofID, capitals: true}},
	{"2.3.3 1.3.3 1.3.3.3", rule{kind: nationalID, valid: always, means: ofCedula}},
	{"a7a a-7-a a~7~a a-7a a7-a", rule{kind: nationalID, valid: nie, alone: true, means: ofID, capitals: true}},
	// Portugal: tax number.
	{"9 3~3~3", rule{kind: nationalID, valid: nif, means: ofID}},
	// France: social security, with and without its key.
	{"15 1~2~2~2~3~3~2 1~2~2~2~3~3-2 1-2-2-2-3-3-2 13~2 13-2 1.2.2.2.3.3.2 1~2~2~2~3~3/2 1~2~2~5~3~2", rule{kind: nationalID, valid: nir, alone: true, means: ofID}},
	{"6a8 1~2~2~1a~3~3~2 6a6~2", rule{kind: nationalID, valid: nir, alone: true, means: ofID}},
	{"13 1~2~2~2~3~3", rule{kind: nationalID, valid: nirOpen, means: ofID}},
	// Italy: tax code.
	{"f2a2a3a c~c~2a2~a3a f2a2~a3a f~2a2~a3a c~c~2a2a3a f~2~a~2~a~3~a c~c~2a2~a~3~a", rule{kind: nationalID, valid: codiceFiscale, alone: true, means: ofID}},
	{"11", rule{kind: nationalID, valid: luhn, means: ofCompany}},
	// Germany: tax id, social security, identity card.
	{"2~3~3~3 2-3-3-3 2/3/3/3", rule{kind: nationalID, valid: steuerID, alone: true, means: ofID}},
	{"11 3~4~4", rule{kind: nationalID, valid: steuerID, means: ofID}},
	{"8a3 2~6~a~3 2~6a3 8~a~3 2~6~a3", rule{kind: nationalID, valid: rentenversicherung, alone: true, means: ofID, capitals: true}},
	{"3/3/5 2/3/5 3/4/4 5/5 3~3~5 2~3~5", rule{kind: nationalID, valid: always, means: ofSteuer}},
	// Austria, Switzerland, Belgium, the Netherlands, Luxembourg.
	{"10 4~6 4-6", rule{kind: nationalID, valid: svnr, means: ofID}},
	{"13 3.4.4.2 3~4~4~2 3-4-4-2", rule{kind: nationalID, valid: ahv, alone: true, means: ofID}},
	{"11 2.2.2-3.2 2.2.2.3.2 2~2~2~3~2 2-2-2-3-2 6-3-2 6-3.2 6~3~2 2.2.2~3.2 2.2.2-3-2 2/2/2-3/2", rule{kind: nationalID, valid: rijksregister, alone: true, means: ofID}},
	{"9 4.2.3 4~2~3 3~3~3 3.3.3 8 4-2-3", rule{kind: nationalID, valid: bsn, means: ofID}},
	// Sweden, Denmark, Norway, Finland, the Baltic states.
	{"6-4 8-4", rule{kind: nationalID, valid: personnummer, alone: true, means: ofID}},
	{"10 12 6~4 8~4", rule{kind: nationalID, valid: personnummer, means: ofID}},
	{"6-4 10 6~4", rule{kind: nationalID, valid: cpr, means: ofID}},
	{"11 6~5 6-5", rule{kind: nationalID, valid: fodselsnummer, alone: true, means: ofID}},
	{"6-3a 6a3a 6-4", rule{kind: nationalID, valid: hetu, alone: true, means: ofID}},
	{"11", rule{kind: nationalID, valid: isikukood, means: ofID}},
	{"6-5", rule{kind: nationalID, valid: personasKods, means: ofID}},
	// Poland, the Czech lands and Slovakia, Romania, Bulgaria, Croatia, the countries of former Yugoslavia, Greece.
	{"11", rule{kind: nationalID, valid: pesel, means: ofID}},
	{"10 3-3-2-2 3-2-2-3", rule{kind: nationalID, valid: nip, means: ofID}},
	{"c6 c~6", rule{kind: nationalID, valid: dowod, means: ofID}},
	{"6/4", rule{kind: nationalID, valid: rodneCislo, alone: true, means: ofID}},
	{"10 6~4", rule{kind: nationalID, valid: rodneCislo, means: ofID}},
	{"13", rule{kind: nationalID, valid: cnp, means: ofID}},
	{"10", rule{kind: nationalID, valid: egn, means: ofID}},
	{"11", rule{kind: nationalID, valid: steuerCheck, means: ofID}},
	{"13", rule{kind: nationalID, valid: jmbg, means: ofID}},
	{"11", rule{kind: nationalID, valid: amka, means: ofID}},
	// Turkey, Israel, Ukraine, Russia.
	{"11 3~3~3~2", rule{kind: nationalID, valid: kimlik, means: ofID}},
	{"9 8-1 1-7-1 3~3~3", rule{kind: nationalID, valid: teudatZehut, means: ofID}},
	{"10", rule{kind: nationalID, valid: rnokpp, means: ofID}},
	{"10 12", rule{kind: nationalID, valid: inn, means: ofID}},
	{"3-3-3~2 3-3-3-2", rule{kind: nationalID, valid: snils, alone: true, means: ofID}},
	{"11 3~3~3~2", rule{kind: nationalID, valid: snils, means: ofID}},
	// Brazil, Argentina, Chile, Mexico, Ecuador, Uruguay.
	{"3.3.3-2 3.3.3.2 3~3~3-2 3.3.3/2", rule{kind: nationalID, valid: cpf, alone: true, means: ofID}},
	{"11 3~3~3~2 3-3-3-2 9-2", rule{kind: nationalID, valid: cpf, means: ofID}},
	{"2.3.3/4-2", rule{kind: nationalID, valid: cnpj, alone: true, means: ofID}},
	{"14 8/4-2 2~3~3~4~2", rule{kind: nationalID, valid: cnpj, means: ofID}},
	{"2-8-1", rule{kind: nationalID, valid: cuit, alone: true, means: ofID}},
	{"11", rule{kind: nationalID, valid: cuit, means: ofID}},
	{"2.3.3-1 2.3.3-a 1.3.3-1 1.3.3-a", rule{kind: nationalID, valid: rut, alone: true, means: ofID}},
	{"8-1 7-1 8-a 7-a 9 8a", rule{kind: nationalID, valid: rut, means: ofID}},
	{"d6f2 d6g1", rule{kind: nationalID, valid: curp, alone: true, means: ofID, capitals: true}},
	{"d6c d6b1 d6a1a d6a2 d7b d7a1 d8a d9 c6c c6b1 c6a1a c6a2 c7b c7a1 c8a c9 d-6-3 d-6-2a d-6-a2 d-6-1b d-6-b1 d-6-c c-6-3", rule{kind: nationalID, valid: rfc, means: ofID}},
	// Canada, Australia, New Zealand, South Africa.
	{"9 3~3~3 3-3-3", rule{kind: nationalID, valid: sin, means: ofID}},
	{"9 3~3~3 8 3~3~2", rule{kind: nationalID, valid: tfn, means: ofID}},
	{"10 4~5~1 4-5-1 11", rule{kind: nationalID, valid: medicare, means: ofID}},
	{"13 6~4~3 6~4~2~1 6-4-3", rule{kind: nationalID, valid: southAfrica, alone: true, means: ofID}},
	// India.
	{"4~4~4 4-4-4", rule{kind: nationalID, valid: aadhaar, alone: true, means: ofID}},
	{"12 4.4.4 3~3~3~3", rule{kind: nationalID, valid: aadhaar, means: ofID}},
	{"e4a", rule{kind: nationalID, valid: panIndia, alone: true, means: ofID, capitals: true}},
	// China, Taiwan, Hong Kong, Japan, Korea, Singapore, Malaysia, Thailand, Indonesia.
	{"18 17a 6~8~4 6-8-4 6~8~3a 6-8-3a 6~4~4~4", rule{kind: nationalID, valid: residentID, alone: true, means: ofID}},
	{"a9", rule{kind: nationalID, valid: taiwan, alone: true, means: ofID, capitals: true}},
	{"12 4~4~4 4-4-4", rule{kind: nationalID, valid: myNumber, means: ofID}},
	{"6-7", rule{kind: nationalID, valid: rrnLook, alone: true, means: ofID}},
	{"13 6~7", rule{kind: nationalID, valid: rrn, means: ofID}},
	{"a7a", rule{kind: nationalID, valid: nric, alone: true, means: ofID, capitals: true}},
	{"6-2-4", rule{kind: nationalID, valid: mykad, alone: true, means: ofID}},
	{"12 6~2~4", rule{kind: nationalID, valid: mykad, means: ofID}},
	{"1-4-5-2-1 1~4~5~2~1", rule{kind: nationalID, valid: thai, alone: true, means: ofID}},
	{"13", rule{kind: nationalID, valid: thai, means: ofID}},
	{"16", rule{kind: nationalID, valid: nik, means: ofID}},
	{"12 9", rule{kind: nationalID, valid: always, means: ofCCCD}}, // Viet Nam
	// Pakistan, the Emirates.
	{"5-7-1", rule{kind: nationalID, valid: always, alone: true, means: ofID}},
	{"3-4-7-1", rule{kind: nationalID, valid: emirates, alone: true, means: ofID}},
	{"15", rule{kind: nationalID, valid: emirates, means: ofID}},
	// Accounts in the United States and the United Kingdom.
	{"9", rule{kind: bankAccount, valid: aba, means: ofRouting}},
	{"2-2-2~8 2-2-2/8", rule{kind: bankAccount, valid: always, means: ofBank}},
	{"18", rule{kind: bankAccount, valid: clabe, means: ofBank}},
	// Dates in one group.
	{"8", rule{kind: dateOfBirth, valid: compactDate, means: ofBirth}},
	// Telephones.
	{"3-3-4 3.3.4 1-3-3-4 1.3.3.4", rule{kind: phone, valid: northAmerica, alone: true, means: ofPhone}},
	{"3~3~4 1~3~3~4 3~3-4 1~3~3-4 3/3-4", rule{kind: phone, valid: northAmerica, alone: true, means: ofPhone}},
	{"2~2~2~2~2 2.2.2.2.2 2-2-2-2-2", rule{kind: phone, valid: france, alone: true, means: ofPhone}},
	{"3~4~4 3-4-4", rule{kind: phone, valid: eastAsia, alone: true, means: ofPhone}},
	{"1~3~3~2~2 1-3-3-2-2 1~3~3-2-2", rule{kind: phone, valid: russia, alone: true, means: ofPhone}},
}
