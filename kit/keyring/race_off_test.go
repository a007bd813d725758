//go:build !race

package keyring_test

// raceDetector makes sync.Pool forget things at random, and so allocate.
const raceDetector = false
