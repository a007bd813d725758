package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ in, want string }{
		"space":              {" { \"a\" : [ 1 , true ] ,\n\"b\":null } ", `{"a":[1,true],"b":null}`},
		"order":              {`{"b":1,"a":2,"":3}`, `{"":3,"a":2,"b":1}`},
		"order within":       {`[{"z":{"b":1,"a":{}},"y":[]}]`, `[{"y":[],"z":{"a":{},"b":1}}]`},
		"equal names stay":   {`{"b":0,"a":2,"a":1}`, `{"a":2,"a":1,"b":0}`},
		"escaped names":      {`{"b":1,"\u0061":2}`, `{"a":2,"b":1}`},
		"escapes":            {`"\u0041\/\b\f\n\r\t\"\\\u000A\u001f\u007f\u00e9"`, `"A/\u0008\u000c\n\u000d\u0009\"\\\n\u001f` + "\u007fé\""},
		"pairs":              {`"\ud83d\ude00😀"`, `"😀😀"`},
		"half pairs":         {`"\uD83D \ude00 \ud83d\ud83d\ude00 \ufffd"`, `"\ud83d \ude00 \ud83d😀 ` + "\ufffd\""},
		"whole numbers":      {`[0,-0,7,-7,10,-1200,1234567890123456789012345678901234567890]`, `[0,0,7,-7,1e1,-12e2,123456789012345678901234567890123456789e1]`},
		"fractions":          {`[1.0,0.5,-0.050,100.10,0.0,0e5,-0.0e-7]`, `[1,5e-1,-5e-2,1001e-1,0,0,0]`},
		"powers":             {`[1e2,1E+2,1e-0,0.1e1,1200e-2,12e000000000000000000005,1e-300]`, `[1e2,1e2,1,1,12,12e5,1e-300]`},
		"left out":           {`{"stream":true,"b":{"stream":1},"str\u0065am":[{}],"a":2}`, `{"a":2,"b":{"stream":1}}`},
		"nothing left":       {`{"stream":true}`, `{}`},
		"empty":              {`{}`, `{}`},
		"within arrays kept": {`[{"stream":1}]`, `[{"stream":1}]`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Canonical([]byte("before "), []byte(c.in), 8, "stream")
			if err != nil || string(got) != "before "+c.want {
				t.Errorf("got  %s, %v\nwant        %s", got, err, c.want)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{``, `{`, `{"a"}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{"a":1 "b":2}`, `nul`, `01`, `"`, `"\`, `"\u12`, `"\ud83d\u1`, `1 2`, "\"\xff\"", "{\"\xff\":1}", `-`, `{a:1}`} {
		var syntax *SyntaxError
		if got, err := Canonical(nil, []byte(in), 8); !errors.As(err, &syntax) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := Canonical(nil, []byte(strings.Repeat("[", 1000)), 64); !errors.Is(err, ErrTooDeep) {
		t.Errorf("too deep: %v", err)
	}
	for _, in := range []string{`1e1234567890123456`, `[0.1E-9999999999999999]`} {
		if _, err := Canonical(nil, []byte(in), 8); !errors.Is(err, ErrExponent) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// FuzzCanonical: the form takes what Check takes, is the same value, its own form, and that of every other spelling.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		string(request()), `{"b":[1.50,-0,1e3],"a":"\u00e9\ud800x\\","a":{"z":1,"y":{}}}`, `{"a":1,"a":2,"A":3}`, `[[],{},"",0]`,
		`"\ud800\udc00\udc00\ud800"`, `1e999999999999999`, `{"":{"":{"":0}}}`, `-0.000e-5`, `{"stream":true,"x":{"stream":1}}`,
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		const depth = 30
		form, err := Canonical(nil, data, depth)
		if errors.Is(err, ErrExponent) {
			return
		}
		if valid := Check(data, depth); (err == nil) != (valid == nil) || errors.Is(err, ErrTooDeep) != errors.Is(valid, ErrTooDeep) {
			t.Fatalf("%q: %v, checked: %v", data, err, valid)
		}
		if err != nil {
			return
		}
		again, err := Canonical(nil, form, depth)
		if err != nil || !bytes.Equal(again, form) {
			t.Fatalf("%q: the form of %q is %q, %v", data, form, again, err)
		}
		if got, want := describe(form), describe(data); got != want {
			t.Fatalf("%q became another value: %q\n%s\n%s", data, form, got, want)
		}
		s := speller{random: rand.New(rand.NewPCG(seed, 1))}
		s.value(data)
		if other, err := Canonical(nil, s.out, depth); err != nil || !bytes.Equal(other, form) {
			t.Fatalf("%q is %q, but spelled %q it is %q, %v", data, form, s.out, other, err)
		}
	})
}

// FuzzCanonicalPairs: two texts have one form exactly where they are one value.
func FuzzCanonicalPairs(f *testing.F) {
	f.Add([]byte(`{"a":1.0,"b":2}`), []byte(`{"b":2e0,"a":1}`))
	f.Add([]byte(`{"a":1,"a":2}`), []byte(`{"a":2,"a":1}`))
	f.Add([]byte(`"\ud800"`), []byte(`"\ufffd"`))
	f.Add([]byte(`1e20`), []byte(`100000000000000000000`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		formA, errA := Canonical(nil, a, 30)
		formB, errB := Canonical(nil, b, 30)
		if errA != nil || errB != nil {
			return
		}
		if bytes.Equal(formA, formB) != (describe(a) == describe(b)) {
			t.Fatalf("%q is %q, %q is %q", a, formA, b, formB)
		}
	})
}

// describe is the value of a text, written by other means: encoding/json for words, rationals for numbers, UTF-16 units
// for strings.
func describe(data []byte) string {
	data = bytes.TrimSpace(data)
	switch Kind(data) {
	case 'o':
		return describeObject(data)
	case 'a':
		var parts []string
		Array(data, func(e []byte) bool { parts = append(parts, describe(e)); return true })
		return "[" + strings.Join(parts, " ") + "]"
	case 's':
		return units(data)
	case '0':
		return describeNumber(string(data))
	}
	var word any
	_ = json.Unmarshal(data, &word)
	text, _ := json.Marshal(word)
	return string(text)
}

// describeObject sorts by repeated search for the least name, so that equal names stay in order.
func describeObject(data []byte) string {
	type member struct{ name, value string }
	var members []member
	_ = Object(data, 1000, func(m Member) bool {
		name := data[m.KeyAt : bytes.IndexByte(data[m.KeyAt+1:], '"')+m.KeyAt+2]
		for Check(name, 1) != nil { // a quote within the name
			name = data[m.KeyAt : m.KeyAt+len(name)+bytes.IndexByte(data[m.KeyAt+len(name):], '"')+1]
		}
		members = append(members, member{units(name), describe(m.Value)})
		return true
	})
	out := "{"
	for len(members) > 0 {
		least := 0
		for i, m := range members {
			if m.name < members[least].name {
				least = i
			}
		}
		out += members[least].name + ":" + members[least].value + " "
		members = append(members[:least], members[least+1:]...)
	}
	return out + "}"
}

// units lists a string's UTF-16 units: half pairs are told apart, whole ones in any spelling are the same.
func units(quoted []byte) string {
	out := "\""
	unit := func(n uint64) { out += strconv.FormatUint(n, 16) + "." }
	for text := string(quoted[1 : len(quoted)-1]); text != ""; {
		if text[0] == '\\' && text[1] == 'u' {
			n, _ := strconv.ParseUint(text[2:6], 16, 16)
			unit(n)
			text = text[6:]
			continue
		}
		if text[0] == '\\' {
			var s string
			_ = json.Unmarshal([]byte(`"`+text[:2]+`"`), &s)
			unit(uint64(s[0]))
			text = text[2:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if text = text[n:]; r >= 0x10000 {
			unit(uint64(0xd800 + (r-0x10000)>>10))
			unit(uint64(0xdc00 + (r-0x10000)&0x3ff))
			continue
		}
		unit(uint64(r))
	}
	return out
}

func describeNumber(text string) string {
	mantissa, power := strings.ToLower(text), new(big.Int)
	if i := strings.IndexByte(mantissa, 'e'); i >= 0 {
		power.SetString(strings.TrimPrefix(mantissa[i+1:], "+"), 10)
		mantissa = mantissa[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n, _ := new(big.Int).SetString(whole+fraction, 10)
	power.Sub(power, big.NewInt(int64(len(fraction))))
	ten, rest := big.NewInt(10), new(big.Int)
	for n.Sign() != 0 {
		q, _ := new(big.Int).QuoRem(n, ten, rest)
		if rest.Sign() != 0 {
			break
		}
		n = q
		power.Add(power, big.NewInt(1))
	}
	if n.Sign() == 0 {
		return "0"
	}
	return n.String() + "*10^" + power.String()
}

// speller writes a value in another way at random.
type speller struct {
	random *rand.Rand
	out    []byte
}

func (s *speller) space() {
	for s.random.IntN(4) == 0 {
		s.out = append(s.out, " \t\r\n"[s.random.IntN(4)])
	}
}

func (s *speller) value(data []byte) {
	s.space()
	defer s.space()
	data = bytes.TrimSpace(data)
	switch Kind(data) {
	case 'o':
		s.object(data)
	case 'a':
		s.out = append(s.out, '[')
		first := true
		Array(data, func(e []byte) bool {
			if !first {
				s.out = append(s.out, ',')
			}
			first = false
			s.value(e)
			return true
		})
		s.out = append(s.out, ']')
	case 's':
		s.str(data)
	case '0':
		s.number(string(data))
	default:
		s.out = append(s.out, data...)
	}
}

// object writes members in any order, but for those of one name.
func (s *speller) object(data []byte) {
	type member struct{ name, value []byte }
	var members []member
	seen := make(map[string]bool)
	shuffle := true
	_ = Object(data, 1000, func(m Member) bool {
		end := m.ValueAt - 1
		for data[end] != ':' {
			end--
		}
		name := bytes.TrimSpace(data[m.KeyAt:end])
		shuffle = shuffle && !seen[units(name)]
		seen[units(name)] = true
		members = append(members, member{name, m.Value})
		return true
	})
	if shuffle {
		s.random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	s.out = append(s.out, '{')
	for i, m := range members {
		if i > 0 {
			s.out = append(s.out, ',')
		}
		s.space()
		s.str(m.name)
		s.space()
		s.out = append(s.out, ':')
		s.value(m.value)
	}
	if len(members) == 0 {
		s.space()
	}
	s.out = append(s.out, '}')
}

// str writes characters as they stand or as \u escapes; escapes stay.
func (s *speller) str(quoted []byte) {
	s.out = append(s.out, '"')
	for text := quoted[1 : len(quoted)-1]; len(text) > 0; {
		if text[0] == '\\' {
			n := 2
			if text[1] == 'u' {
				n = 6
			}
			s.out = append(s.out, text[:n]...)
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r < 0x10000 && s.random.IntN(3) == 0 {
			hex := strconv.FormatUint(uint64(r)+0x10000, 16)[1:]
			if s.random.IntN(2) == 0 {
				hex = strings.ToUpper(hex)
			}
			s.out = append(append(s.out, '\\', 'u'), hex...)
		} else {
			s.out = append(s.out, text[:n]...)
		}
		text = text[n:]
	}
	s.out = append(s.out, '"')
}

// number adds zeros, and moves some of the value into the power.
func (s *speller) number(text string) {
	mantissa, power := text, int64(0)
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		power, _ = strconv.ParseInt(text[i+1:], 10, 64)
	}
	if s.random.IntN(2) == 0 {
		if !strings.Contains(mantissa, ".") {
			mantissa += "."
		}
		mantissa += strings.Repeat("0", 1+s.random.IntN(3))
	} else if !strings.Contains(mantissa, ".") && strings.Trim(mantissa, "-0") != "" {
		n := s.random.IntN(3)
		mantissa += strings.Repeat("0", n)
		power -= int64(n)
	}
	s.out = append(s.out, mantissa...)
	if power != 0 || s.random.IntN(2) == 0 {
		s.out = append(append(s.out, "eE"[s.random.IntN(2)]), []string{"", "+"}[s.random.IntN(2)]...)
		if s.out[len(s.out)-1] == '+' && power < 0 {
			s.out = s.out[:len(s.out)-1]
		}
		s.out = strconv.AppendInt(s.out, power, 10)
	}
}

// TestCanonicalIsNearlyLinear: text made to be sorted and copied again and again takes seconds where it isn't.
func TestCanonicalIsNearlyLinear(t *testing.T) {
	t.Parallel()
	var backwards strings.Builder
	for i := range 300_000 {
		backwards.WriteString(`"` + strconv.Itoa(999_999-i) + `":0,`)
	}
	deep := strings.Repeat(`{"b":0,"a":`, 64) + `"` + strings.Repeat("x", 4<<20) + `"` + strings.Repeat("}", 64)
	for name, text := range map[string]string{
		"backwards": "{" + backwards.String() + `"":0}`, "deep": deep, "zeros": "0." + strings.Repeat("0", 4<<20),
		"equal names": "{" + strings.Repeat(`"a":0,`, 300_000) + `"":0}`,
	} {
		out, err := Canonical(nil, []byte(text), 64)
		if err != nil || Check(out, 64) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	data := request()
	var out []byte
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, err = Canonical(out[:0], data, 64, "stream"); err != nil {
			b.Fatal(err)
		}
	}
}
