package policy

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// tags is a map of texts in which a key that isn't there reads as the empty text, so that `tags.team == "search"` is false
// for a call without tags, and doesn't fail. What is really there is what `in`, has, size and loops go by.
type tags struct{ traits.Mapper }

func newTags(m map[string]string) ref.Val {
	return tags{types.NewStringStringMap(types.DefaultTypeAdapter, m)}
}

// Find implements traits.Mapper.
func (t tags) Find(key ref.Val) (ref.Val, bool) {
	value, ok := t.Mapper.Find(key)
	if ok || value != nil { // a value beside false is what is wrong with the key
		return value, ok
	}
	return types.String(""), true
}

// Get implements traits.Indexer.
func (t tags) Get(key ref.Val) ref.Val {
	value, _ := t.Find(key)
	return value
}
