package conf

import "strings"

// advice is what to say to someone who wrote a field that doesn't exist.
func (f *fields) advice(name string) string {
	if best := Nearest(name, f.names); best != "" {
		return "; did you mean " + best + "?"
	}
	if len(f.names) == 0 || len(f.names) > 12 {
		return ""
	}
	return "; known are " + strings.Join(f.names, ", ")
}

// Nearest returns the name most like the one given, or "" where none is alike: more than one edit in three characters
// away. Swapping two neighbours is one edit; case and hyphens don't count.
func Nearest(name string, names []string) string {
	best, least := "", len(name)/3+2
	for _, candidate := range names {
		if d := distance(fold(name), fold(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is the optimal string alignment distance.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
