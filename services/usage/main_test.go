package usage_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("USAGE_TEST_DIR"); dir != "" {
		ingestForEver(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
