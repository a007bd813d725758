// Package storetest is the suite that every backend of the batch store passes.
package storetest

import (
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Run checks a backend's promises. newStore returns an empty store, which the suite closes.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"files come back", filesComeBack},
		{"pages of files", pagesOfFiles},
		{"files expire", filesExpire},
		{"blobs become garbage", garbage},
		{"blobs of open batches are no garbage", openSources},
		{"batches come back", batchesComeBack},
		{"pages of batches", pagesOfBatches},
		{"a line is claimed once", claimedOnce},
		{"a line is claimed once, many at a time", claimedOnceConcurrently},
		{"released lines wait until they are due", released},
		{"a line is done once", doneOnce},
		{"results in order", resultsInOrder},
		{"pages of results", pagesOfResults},
		{"cancel", cancel},
		{"cancel while validating", cancelEarly},
		{"expire", expire},
		{"fail", fail},
		{"validated twice", validatedTwice},
		{"states", states},
		{"ends", ends},
		{"delete and purge", purge},
		{"batches lie apart", apart},
		{"jobs come back", jobsComeBack},
		{"jobs go their way", jobsGoTheirWay},
		{"bodies of jobs", bodies},
		{"lines of jobs without results", pending},
		{"refused jobs", refused},
		{"jobs end with their batch", jobsEndWithTheirBatch},
		{"lines parked too late", parkedTooLate},
		{"lines parked in a job that is sealed", parkedWrong},
		{"jobs are purged", jobsArePurged},
		{"holds come back", holdsComeBack},
		{"holds of refused jobs", heldByRefusedJobs},
		{"holds of jobs that end with their batch", heldByEndedJobs},
		{"holds of lines parked too late", heldTooLate},
		{"holds outlive their batch", holdsOutliveTheirBatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// now is the time of all tests.
func now() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 5, time.UTC) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
