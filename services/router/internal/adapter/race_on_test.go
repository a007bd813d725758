//go:build race

package adapter_test

// raceDetector makes reading JSON forty times slower.
const raceDetector = true
