package store

import (
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// The periods of budgets, for short. Days and months are those of UTC.
const (
	Day   = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY
	Month = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_MONTH
	Total = ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL
)

// Periods is how many there are, counted from 1.
const Periods = int(Total)

// Began is when the period that now is in began; the zero time for TOTAL.
func Began(p ratelimitv1.BudgetPeriod, now time.Time) time.Time {
	year, month, day := now.UTC().Date()
	switch p {
	case Day:
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	case Month:
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// Ends is how long until a period that began then ends, or NoReset.
func Ends(p ratelimitv1.BudgetPeriod, began, now time.Time) time.Duration {
	switch p {
	case Day:
		return began.AddDate(0, 0, 1).Sub(now)
	case Month:
		return began.AddDate(0, 1, 0).Sub(now)
	}
	return NoReset
}
