package price

import (
	_ "embed" // the table
	"sync"

	"github.com/headgate-mesh/headgate/kit/conf"
)

//go:embed builtin.yaml
var builtinYAML []byte

var loadBuiltin = sync.OnceValues(func() (*Table, error) {
	var f File
	if err := conf.Parse("builtin.yaml", builtinYAML, &f, nil); err != nil {
		return nil, err
	}
	return f.own()
})

// Builtin returns the table that comes with this version of Headgate: OpenAI's and Anthropic's models, none of those
// that one hosts oneself. Prices change without notice; an operator's own file goes before it.
//
// Its figures were compared with genai-prices (Copyright Pydantic Services Inc.) and LiteLLM's model prices (by way of
// model-price-repo, Copyright Wesley Liddick), both under the MIT licence; where the two differ, the newer one stands,
// and what contradicts itself was corrected.
func Builtin() *Table {
	t, err := loadBuiltin()
	if err != nil { // a test makes sure that it never is
		return &Table{}
	}
	return t
}
