package gateway

import (
	"reflect"
	"testing"
	"time"
)

// TestDefaults are those that the fields' comments promise.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := Config{
		MaxBody: 10 << 20, MaxHeader: 32 << 10, MaxInFlight: 8192, ReadProgress: 10 * time.Second, WriteStall: 5 * time.Minute,
		Idle: 2 * time.Minute, Heartbeat: 15 * time.Second, Drain: 10 * time.Minute,
	}
	if got := (Config{}).WithDefaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	set := Config{MaxBody: 1, MaxHeader: 2, MaxInFlight: 3, ReadProgress: 4, WriteStall: 5, Idle: 6, Heartbeat: 7, Drain: 8}
	if got := set.WithDefaults(); !reflect.DeepEqual(got, set) {
		t.Errorf("%+v became %+v", set, got)
	}
}
