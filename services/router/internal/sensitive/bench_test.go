package sensitive_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

const (
	english = `The committee met on Tuesday to talk about the garden. Everyone agreed that the old oak should stay, since it had
been there long before the houses; what to plant beside it was another question. Some wanted roses, others said that
vegetables would be more useful: beans, peas, perhaps a few rows of potatoes. In the end they put it off until spring.
Could you summarise the discussion in three sentences, and suggest a polite answer to the neighbour who complained
about the noise? Please keep a friendly tone (he isn't a bad man), and don't mention the 2 broken windows.
`
	german = `Der Ausschuss traf sich am Dienstag, um über den Garten zu sprechen. Alle waren sich einig, dass die alte Eiche
stehen bleiben soll; was daneben gepflanzt wird, blieb offen. Könnten Sie das Gespräch in drei Sätzen zusammenfassen
und eine höfliche Antwort an den Nachbarn vorschlagen, der sich über den Lärm beschwert hat?
`
	chinese = `委员会星期二开会讨论花园的事情。大家都同意保留那棵老橡树，因为它在房子建成之前就已经在那里了；旁边种什么则是另一个问题。
有人想种玫瑰，也有人说种蔬菜更有用：豆子、豌豆，也许还有几行土豆。最后他们把这件事推迟到了春天。
`
	russian = `Комитет собрался во вторник, чтобы поговорить о саде. Все согласились, что старый дуб должен остаться, потому что
он стоял там задолго до домов; что посадить рядом с ним, осталось вопросом. В конце концов решили подождать до весны.
`
	program = `func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.URL.Query().Get("id"))
	if err != nil || id < 0 {
		http.Error(w, "bad id", http.StatusBadRequest)
		return
	}
	items := s.store.List(r.Context(), id, 100)
	w.Header().Set("Content-Type", "application/json")
	for i, item := range items {
		fmt.Fprintf(w, "%d: %s = %v\n", i, item.Name, item.Value)
	}
}
`
)

// sized is text again and again, up to about 64 KB.
func sized(text string) string { return strings.Repeat(text, 64<<10/len(text)) }

// BenchmarkText is the speed on text without finds: MB/s, of which 100 are about 10 microseconds per KB.
func BenchmarkText(b *testing.B) {
	for name, text := range map[string]string{"english": english, "german": german, "chinese": chinese, "russian": russian, "program": program} {
		b.Run(name, func(b *testing.B) { benchmarkBody(b, sensitive.Config{}, sized(text)) })
	}
	b.Run("dictionary", func(b *testing.B) {
		words := strings.Fields("nightfall bluebird aurora zephyr quartz")
		benchmarkBody(b, sensitive.Config{Dictionaries: []sensitive.Dictionary{{Name: "projects", Words: words}}}, sized(english))
	})
	b.Run("pattern", func(b *testing.B) {
		benchmarkBody(b, sensitive.Config{Patterns: []sensitive.Pattern{{Name: "badge", Pattern: `EMP-[0-9]{6}`}}}, sized(english))
	})
	b.Run("base64", func(b *testing.B) {
		benchmarkBody(b, sensitive.Config{}, "data:image/png;base64,"+strings.Repeat("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", 1400))
	})
}

func benchmarkBody(b *testing.B, c sensitive.Config, text string) {
	b.Helper()
	s := newScanner(b, c)
	body := bodyOf(b, text)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if r, err := s.Body(body); err != nil || r.Found() {
			b.Fatal(r.Detected, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(float64(len(body))/1024), "us/KB")
}

func bodyOf(t testing.TB, text string) []byte {
	t.Helper()
	part := map[string]any{"type": "text", "text": text}
	if strings.HasPrefix(text, "data:") {
		part = map[string]any{"type": "image_url", "image_url": map[string]any{"url": text}}
	}
	body, err := json.Marshal(map[string]any{"model": "m", "messages": []any{map[string]any{"role": "user", "content": []any{part}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
