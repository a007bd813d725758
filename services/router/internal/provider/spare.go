package provider

// Calls that can wait leave a quarter of a server to those that can't: those come at any moment, and what was begun is not
// taken back.
const (
	spareParts, spareOf = 3, 4
	// fullCache is how much of a KV cache may be filled: beyond, a server begins to put calls off.
	fullCache = 0.9
)

// Spare reports whether the provider has room for a call that can wait: nobody queues at it, and what is under way is well
// below what it can answer at once, as far as that is known: by the operator's max_in_flight, or by what it was seen to
// answer when others had to queue.
func (p *Provider) Spare() bool {
	inFlight, _, _ := p.stats.Read()
	if room := p.options.MaxInFlight * int64(p.Replicas()); room > 0 && inFlight >= portion(room) {
		return false
	}
	load, known := p.Load()
	if !known {
		return true
	}
	full := load.Capacity > 0 && max(inFlight, load.Running) >= portion(load.Capacity)
	return load.Waiting == 0 && load.CacheUsage < fullCache && !full
}

// portion is the part of a capacity that calls which can wait may fill: at least one.
func portion(capacity int64) int64 { return max(1, capacity*spareParts/spareOf) }
