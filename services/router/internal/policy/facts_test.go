package policy

import (
	"slices"
	"strings"
	"testing"
)

// TestVariables: an activation has room for all, and errors list them in order.
func TestVariables(t *testing.T) {
	t.Parallel()
	if len(variables) > room {
		t.Errorf("%d variables, room for %d", len(variables), room)
	}
	if !slices.IsSortedFunc(variables, func(a, b variable) int {
		return strings.Compare(a.name, b.name)
	}) {
		t.Error("the variables are in no order")
	}
	var a activation
	for _, v := range variables {
		if value, ok := a.ResolveName(v.name); !ok || value == nil {
			t.Errorf("%s reads as nothing", v.name)
		}
	}
}
