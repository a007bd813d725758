package conf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// followEvery is how often files are looked at.
const followEvery = time.Second

// Follow calls changed whenever the content of one of the files is another than before, and whenever something comes from
// now, until ctx ends. A change counts once it has stayed the same over two looks: files are seldom written at once. A file
// that can't be read hasn't changed. Names are followed through links, as those of mounted configuration are. The list may
// be another after each call.
func Follow(ctx context.Context, files func() []string, now <-chan os.Signal, changed func()) {
	f := follower{files: files}
	f.known = f.sum()
	f.seen = f.known
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
			f.known = f.sum()
			f.seen = f.known
			changed()
		case <-tick.C:
			if f.look() {
				changed()
			}
		}
	}
}

type follower struct {
	files func() []string
	// known is what was told last, seen what the last look saw.
	known, seen []byte
}

// look reports whether there is something new to tell.
func (f *follower) look() bool {
	sum := f.sum()
	steady := bytes.Equal(sum, f.seen)
	f.seen = sum
	if !steady || bytes.Equal(sum, f.known) {
		return false
	}
	f.known = sum
	return true
}

// sum stands for the content of all files.
func (f *follower) sum() []byte {
	all := sha256.New()
	for _, name := range f.files() {
		data, err := os.ReadFile(name)
		if err != nil {
			return f.seen
		}
		one := sha256.Sum256(data)
		all.Write(one[:])
	}
	return all.Sum(nil)
}
