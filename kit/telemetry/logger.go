package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// Logger returns a logger that writes to w. Level is debug, info, warn or error, format json or text; empty means info
// and json. Attributes named like secrets lose their value, and text that looks like a key is masked wherever it
// stands: in messages, errors, stacks. This is a net under code that logs no secrets in the first place.
func Logger(w io.Writer, level, format string) (*slog.Logger, error) {
	l, err := Level(level)
	if err != nil {
		return nil, err
	}
	return LoggerAt(w, l, format)
}

// LoggerAt is [Logger] with a level that may change.
func LoggerAt(w io.Writer, level slog.Leveler, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	masked := &maskWriter{w: w}
	switch format {
	case "", "json":
		return slog.New(slog.NewJSONHandler(masked, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(masked, options)), nil
	}
	return nil, fmt.Errorf("log format %q: want json or text", format)
}

// Level is the level of a name: debug, info, warn or error; empty means info.
func Level(name string) (l slog.Level, err error) {
	if name == "" {
		return slog.LevelInfo, nil
	}
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return l, fmt.Errorf("log level %q: want debug, info, warn or error", name)
	}
	return l, nil
}

const redacted = "[redacted]"

// redact drops the values of attributes named like secrets.
func redact(_ []string, a slog.Attr) slog.Attr {
	if secretName(a.Key) {
		return slog.String(a.Key, redacted)
	}
	return a
}

// secretName reports whether a name is that of a secret. Counts of tokens are not. It runs for every attribute of every
// record, so it allocates nothing.
func secretName(name string) bool {
	var buf [64]byte
	plain := fold(buf[:0], name)
	for i := range plain {
		if secretWord(plain[i:]) {
			return true
		}
	}
	return bytes.HasSuffix(plain, []byte("token"))
}

// secretWord reports whether text begins with a word that names of secrets contain. The first letter decides most.
func secretWord(text []byte) bool {
	switch text[0] {
	case 's':
		return begins(text, "secret")
	case 'p':
		return begins(text, "password") || begins(text, "passwd") || begins(text, "privatekey")
	case 'a':
		return begins(text, "authorization") || begins(text, "apikey") || begins(text, "accesskey")
	case 'c':
		return begins(text, "credential") || begins(text, "cookie")
	}
	return false
}

func begins(text []byte, word string) bool {
	return len(text) >= len(word) && string(text[:len(word)]) == word
}

// fold appends the name in lower case, without what separates its words.
func fold(dst []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == '.':
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
