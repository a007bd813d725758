package sensitive

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestCorpus(t *testing.T) {
	root := os.Getenv("CORPUS")
	if root == "" {
		t.Skip()
	}
	s, _ := New(Config{})
	total, n := 0, 0
	filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil || len(b) > 1<<20 || !readable(b[:min(len(b), 512)]) {
			return nil
		}
		total += len(b)
		w := s.walk()
		w.source(b)
		for _, h := range w.finds {
			n++
			from, to := max(0, h.at-40), min(len(b), h.end+20)
			fmt.Printf("%s %q in %q %s\n", s.names[h.kind], b[h.at:min(h.end, h.at+80)], b[from:to], p)
		}
		w.release()
		return nil
	})
	fmt.Println("bytes", total, "finds", n)
}
