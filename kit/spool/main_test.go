package spool_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_DIR"); dir != "" {
		if os.Getenv("SPOOL_TEST_LIMIT") == "" {
			help(dir)
		}
		if err := limited(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("fine")
		return
	}
	goleak.VerifyTestMain(m)
}
