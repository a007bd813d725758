package dialect

import "time"

// Balance is how one of Headgate's own limits stands, for the headers in which a dialect tells its clients.
type Balance struct {
	// What is counted: requests or tokens. The dialects have no headers for anything else.
	What string
	// Limit is how much there is a minute, Remaining what is left of it; negative counts as 0.
	Limit, Remaining int64
	// Reset is how long until all of it is there again.
	Reset time.Duration
}
