package conf

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${NAME} and ${NAME:-default} in one scalar; $$ is a dollar sign, and any other dollar stands for
// itself. The default is used where the variable isn't set or is empty. It reports whether a variable had a part in the
// result. What a variable holds isn't expanded again.
func expand(text string, lookup Lookup) (result string, expanded bool, err error) {
	if !strings.Contains(text, "$") {
		return text, false, nil
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String(), expanded, nil
		}
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			var value string
			if value, text, err = variable(after[1:], lookup); err != nil {
				return "", false, err
			}
			out.WriteString(value)
			expanded = true
		default:
			out.WriteByte('$')
			text = after
		}
	}
}

// variable reads what follows "${" and returns its value and the rest.
func variable(text string, lookup Lookup) (value, rest string, err error) {
	inner, rest, closed := strings.Cut(text, "}")
	if !closed {
		return "", "", errors.New("has ${ without }; write $$ for a dollar sign")
	}
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variableName(name) {
		return "", "", errors.New("has ${} around something that is no variable's name; write $$ for a dollar sign")
	}
	value, set := lookup(name)
	if hasFallback && value == "" {
		return fallback, rest, nil
	}
	if !set {
		return "", "", fmt.Errorf("the environment variable %s isn't set; set it, or write ${%s:-default}", name, name)
	}
	return value, rest, nil
}

func variableName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
