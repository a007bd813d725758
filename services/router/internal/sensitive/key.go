package sensitive

import "bytes"

const (
	// maxKey bounds the text of one private key.
	maxKey = 64 << 10
	// minMaterial is the least run of base64 that makes a key of what stands between the lines: a program that looks for
	// the first line has none.
	minMaterial = 16
)

// block finds a private key in the armour of RFC 7468, OpenSSH or PGP, and returns where it ends; 0 where there is none.
func (x *text) block(at int) int {
	t := x.t[at:]
	if !bytes.HasPrefix(t, []byte("-----BEGIN ")) && !bytes.HasPrefix(t, []byte("---- BEGIN ")) {
		return 0
	}
	line := t[11:min(len(t), 11+64)]
	close := bytes.Index(line, []byte("----"))
	if close < 0 || !bytes.Contains(line[:close], []byte("PRIVATE KEY")) || !x.s.on(privateKey) {
		return 0
	}
	from := 11 + close
	for from < len(t) && t[from] == '-' {
		from++
	}
	end, found := material(t, from)
	if !found {
		return 0
	}
	x.add(privateKey, at, at+end)
	return at + end
}

// material is the end of a key whose text begins at from; found says that there is any.
func material(t []byte, from int) (end int, found bool) {
	run, longest := 0, 0
	limit := min(len(t), from+maxKey)
	for end = from; end < limit; end++ {
		b := t[end]
		if alnum(b) || b == '+' || b == '/' || b == '=' {
			run++
			longest = max(longest, run)
			continue
		}
		run = 0
		if b == '-' && bytes.HasPrefix(t[end:], []byte("----")) {
			return closing(t, end), longest >= minMaterial
		}
		if bytes.IndexByte([]byte(" \t\r\n:,.-_()@<>\\"), b) < 0 {
			break
		}
	}
	return end, longest >= minMaterial
}

// closing is the end of the last line of a key, which begins at a place.
func closing(t []byte, at int) int {
	end := at
	for end < len(t) && t[end] == '-' {
		end++
	}
	line := t[end:min(len(t), end+64)]
	if n := bytes.Index(line, []byte("----")); n >= 0 && bytes.Contains(line[:n], []byte("END")) {
		for end += n; end < len(t) && t[end] == '-'; end++ {
		}
	}
	return end
}

// putty finds a key in PuTTY's own form.
func (x *text) putty(at int) bool {
	t := x.t[at:min(len(x.t), at+maxKey)]
	if !bytes.HasPrefix(t, []byte("PuTTY-User-Key-File-")) {
		return false
	}
	from := bytes.Index(t[:min(len(t), 8<<10)], []byte("Private-Lines:"))
	if from < 0 {
		return false
	}
	end, found := material(t, from)
	if found {
		x.add(privateKey, at, at+end)
	}
	return found
}

// age finds a key of age-encryption.org.
func (x *text) age(at int) bool {
	const prefix = "AGE-SECRET-KEY-1"
	if !bytes.HasPrefix(x.t[at:], []byte(prefix)) {
		return false
	}
	end := at + len(prefix)
	for end < len(x.t) && capitalDigits.has(x.t[end]) {
		end++
	}
	if end-at < len(prefix)+50 {
		return false
	}
	x.add(privateKey, at, end)
	return true
}
