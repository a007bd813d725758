package anthropic

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// flaw is what is wrong with a request, and where. The path grows from the inside out on the way up, so that
// requests without a flaw don't pay for paths.
type flaw struct {
	path string
	// remedy goes on from the path; empty means that the field is missing.
	remedy string
	// unsupported says that nothing is wrong with it but that Anthropic can't be asked so.
	unsupported bool
}

func lacking(name string) *flaw { return &flaw{path: name} }

func wrong(name, remedy string) *flaw { return &flaw{path: name, remedy: remedy} }

func unsupported(why string) *flaw { return &flaw{remedy: why, unsupported: true} }

// in puts the name of what surrounds it before the path.
func (f *flaw) in(name string) *flaw {
	switch {
	case f == nil:
	case f.path == "" || f.path[0] == '[':
		f.path = name + f.path
	default:
		f.path = name + "." + f.path
	}
	return f
}

func (f *flaw) at(i int) *flaw {
	if f == nil {
		return nil
	}
	return f.in("[" + strconv.Itoa(i) + "]")
}

// fault is the flaw as a *fault.Error, INVALID_FIELD, MISSING_FIELD or UNSUPPORTED; nil where there is none.
func (f *flaw) fault() error {
	switch {
	case f == nil:
		return nil
	case f.unsupported:
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s %s", f.path, f.remedy).With("field", f.path)
	case f.remedy == "":
		return dialect.Missing(f.path)
	}
	return dialect.Invalid(f.path, f.remedy)
}
