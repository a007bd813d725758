package sim

import "unicode/utf8"

// pieces cuts a text the way the script wants it streamed: by bytes, into a number of chunks, or one token each.
func (p *plan) pieces(text string) []string {
	switch {
	case p.chunkBytes > 0:
		return byBytes(text, p.chunkBytes)
	case p.chunks > 0:
		return byCount(byTokens(text), p.chunks)
	}
	return byTokens(text)
}

// fragments cuts tool arguments: they're short, so by default a few bytes each.
func (p *plan) fragments(args string) []string {
	if p.chunkBytes > 0 {
		return byBytes(args, p.chunkBytes)
	}
	return byBytes(args, 8)
}

// byBytes cuts into pieces of n bytes, a little more where a rune would break.
func byBytes(s string, n int) []string {
	var out []string
	for len(s) > n {
		i := n
		for i < len(s) && !utf8.RuneStart(s[i]) {
			i++
		}
		out = append(out, s[:i])
		s = s[i:]
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

func byTokens(s string) []string {
	out := make([]string, 0, len(s)/4+1)
	for s != "" {
		var tok string
		tok, s = cutToken(s)
		out = append(out, tok)
	}
	return out
}

// byCount joins neighbours until n pieces are left; fewer pieces stay as they are.
func byCount(in []string, n int) []string {
	if len(in) <= n {
		return in
	}
	out := make([]string, 0, n)
	for i := range n {
		out = append(out, join(in[i*len(in)/n:(i+1)*len(in)/n]))
	}
	return out
}

func join(in []string) string {
	if len(in) == 1 {
		return in[0]
	}
	var b []byte
	for _, s := range in {
		b = append(b, s...)
	}
	return string(b)
}
