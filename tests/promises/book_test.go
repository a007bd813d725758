package promises_test

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// book collects the outcome of every promise for the table at the end.
var book ledger

type ledger struct {
	mu   sync.Mutex
	rows []*tally
}

// tally counts the rounds of one promise's test, and how many broke it.
type tally struct {
	t             *testing.T
	promise, what string
	rounds        atomic.Int64
	failures      atomic.Int64
	mu            sync.Mutex
	figure        string
}

// shown bounds the failures that are told in words.
const shown = 8

// promise opens a line of the table; the test's end closes it.
func promise(t *testing.T, name, what string) *tally {
	t.Helper()
	y := &tally{t: t, promise: name, what: what}
	book.mu.Lock()
	book.rows = append(book.rows, y)
	book.mu.Unlock()
	t.Cleanup(func() {
		if t.Failed() && y.failures.Load()+y.rounds.Load() == 0 {
			y.failures.Store(1) // it didn't even get that far
		}
	})
	return y
}

// kept counts a round.
func (y *tally) kept() { y.rounds.Add(1) }

// broken counts a violation and tells the first few.
func (y *tally) broken(format string, args ...any) {
	y.t.Helper()
	if y.failures.Add(1) <= shown {
		y.t.Errorf(format, args...)
	} else {
		y.t.Fail()
	}
}

// found notes what was measured.
func (y *tally) found(format string, args ...any) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.figure = fmt.Sprintf(format, args...)
}

func (l *ledger) print(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortStableFunc(l.rows, func(a, b *tally) int { return cmp.Or(cmp.Compare(a.promise, b.promise), cmp.Compare(a.what, b.what)) })
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "promise\twhat\trounds\tfailures\tseed\tfigures")
	for _, y := range l.rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\n", y.promise, y.what, y.rounds.Load(), y.failures.Load(), seed, y.figure)
	}
	_ = table.Flush()
}

// percentile returns the p-th of a hundred of what was measured; it sorts the list.
func percentile(list []time.Duration, p int) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, len(list)*p/100)]
}

// durations collects from many goroutines.
type durations struct {
	mu   sync.Mutex
	list []time.Duration
}

func (d *durations) add(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, took)
}

func (d *durations) percentile(p int) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return percentile(d.list, p)
}
