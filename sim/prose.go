package sim

import "strings"

// sentences is what the simulator has to say.
var sentences = []string{
	"A gate is only as wide as the channel behind it.",
	"The water rises slowly, and the keeper writes the level down.",
	"Nothing here was computed; it was chosen from a short list.",
	"Every answer costs something, so count it once and count it well.",
	"When the stream stops early, someone should notice.",
	"The second attempt is cheaper than the third.",
	"A clock that can be set is a clock that can be tested.",
	"Please read the numbers in the usage field, not these words.",
	"Two rivers meet below the mill, and neither keeps its name.",
	"If you asked the same thing again, you would hear the same reply.",
	"Long silences are also part of the protocol.",
	"The keeper closes the gate, and the field stays green.",
}

// usualLength is how many tokens an answer has when nothing asks for more.
const usualLength = 48

// prose is an answer in words: it quotes the start of what was said and goes on until it has at least so many tokens
// and bytes. The same seed gives the same text.
func prose(seed uint64, opening string, least, leastBytes int) string {
	var b strings.Builder
	b.WriteString(opening)
	for n := tokens(opening); n < least || b.Len() < leastBytes; {
		seed = seed*6364136223846793005 + 1442695040888963407
		s := sentences[(seed>>33)%uint64(len(sentences))]
		b.WriteByte(' ')
		b.WriteString(s)
		n += tokens(s)
	}
	return b.String()
}

// opening quotes the tool's result, or the start of the user's text.
func opening(a *ask) string {
	switch {
	case a.answered && a.result != "":
		return `The tool answered "` + start(a.result) + `".`
	case a.answered:
		return "The tool answered nothing."
	case a.user == "":
		return "You said nothing."
	}
	return `You said "` + start(a.user) + `".`
}

// start is the first words of a text on one line, at most about sixty characters.
func start(s string) string {
	var b strings.Builder
	for w := range strings.FieldsSeq(s) {
		if b.Len() > 0 && b.Len()+len(w) > 60 {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(byBytes(w, 60)[0])
	}
	return b.String()
}
