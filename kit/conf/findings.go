package conf

import "errors"

// Findings collects what a Validate method finds wrong. The zero value is ready to use.
type Findings struct{ errs []error }

// Add notes a problem of the field at path, as [Invalid].
func (f *Findings) Add(path, format string, args ...any) {
	f.errs = append(f.errs, Invalid(path, format, args...))
}

// Join notes what a nested Validate method returned, with its paths under prefix; nil is nothing.
func (f *Findings) Join(prefix string, err error) {
	if err != nil {
		f.errs = append(f.errs, Under(prefix, err))
	}
}

// Err returns all findings, for [Document.Locate], or nil.
func (f *Findings) Err() error { return errors.Join(f.errs...) }
