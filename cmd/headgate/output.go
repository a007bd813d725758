package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// output is a command's standard output: it remembers that something couldn't be written, so that no command has to look
// after each line, and none ends well when its answer is lost.
type output struct {
	w   io.Writer
	err error
}

// Write writes; after an error it writes nothing more.
func (o *output) Write(p []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err = o.w.Write(p)
	o.err = err
	return n, err
}

// judge is the end of a command, its output considered. One that was stopped, as servers are, has nothing to lose there.
func (o *output) judge(ctx context.Context, err error) error {
	if (err != nil && !errors.Is(err, flag.ErrHelp)) || o.err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("writing the output: %w", o.err)
}

// terminal reports whether somebody watches what is written.
func terminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
