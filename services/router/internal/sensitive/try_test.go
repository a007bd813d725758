package sensitive

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

func TestTry(t *testing.T) {
	f, err := os.Open(os.Getenv("TRY"))
	if err != nil {
		t.Skip()
	}
	s, _ := New(Config{})
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		w := s.walk()
		w.source(sc.Bytes())
		fmt.Printf("%s\n", sc.Text())
		for _, h := range w.finds {
			fmt.Printf("      -> %s %q\n", s.names[h.kind], sc.Bytes()[h.at:h.end])
		}
		w.release()
	}
}
