package batch_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("BATCH_TEST_DIR"); dir != "" {
		workUntilKilled(dir, os.Getenv("BATCH_TEST_ROUTER"))
		return
	}
	goleak.VerifyTestMain(m)
}
