package memory_test

import (
	"testing"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/memory"
	"github.com/headgate-mesh/headgate/services/keys/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}
