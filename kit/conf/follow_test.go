package conf_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "1.yaml"), filepath.Join(dir, "headgate.yaml")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "a: 1")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		signals := make(chan os.Signal, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			conf.Follow(ctx, func() []string { return []string{link} }, signals, func() { told.Add(1) })
		}()
		expect := func(what string, want int64) {
			t.Helper()
			time.Sleep(5*time.Second + time.Millisecond)
			if got := told.Load(); got != want {
				t.Errorf("%s: told %d times, want %d", what, got, want)
			}
		}
		expect("nothing happened", 0)
		write(file, "a: 2")
		expect("another content", 1)
		write(file, "a: 2")
		expect("the same content again", 1)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		expect("it is gone", 1)
		write(file, "a: 2")
		expect("it is back", 1)
		second := filepath.Join(dir, "2.yaml")
		write(second, "a: 3")
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(second, link); err != nil {
			t.Fatal(err)
		}
		expect("the link leads elsewhere", 2)
		signals <- syscall.SIGHUP
		expect("a signal", 3)
		for i := range 5 { // written in pieces, one a second
			write(second, "a: 1"+string(rune('0'+i)))
			time.Sleep(time.Second)
		}
		expect("written in pieces", 4)
		cancel()
		<-done
	})
}
