package redis

import (
	_ "embed" // the scripts
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// version is in the name of every key: values of another layout are never read.
const version = "2"

//go:embed script/prelude.lua
var prelude string

//go:embed script/reserve.lua
var reserveText string

//go:embed script/settle.lua
var settleText string

//go:embed script/lease.lua
var leaseText string

//go:embed script/seed.lua
var seedText string

//go:embed script/balances.lua
var balancesText string

//go:embed script/alive.lua
var aliveText string

// scripts are the operations, each one call of the server.
type scripts struct {
	reserve, settle, lease, seed, balances, alive *redis.Script
}

// serverTime is the clock of all scripts: two numbers, seconds and microseconds.
const serverTime = "redis.call('TIME')"

// newScripts makes the scripts with a clock, a Lua expression.
func newScripts(clock string) scripts {
	made := func(text string) *redis.Script {
		return redis.NewScript("local clock = " + clock + "\n" + constants() + prelude + text)
	}
	return scripts{
		reserve: made(reserveText), settle: made(settleText), lease: made(leaseText),
		seed: made(seedText), balances: made(balancesText), alive: made(aliveText),
	}
}

// constants are those of the contract, so that no backend has its own.
func constants() string {
	us := func(d time.Duration) int64 { return d.Microseconds() }
	return fmt.Sprintf("local SETTLING, SHIPPING = %d, %d\n", us(store.Settling), us(store.Shipping)) +
		fmt.Sprintf("local SILENCE, UNKNOWN, PLENTY, PART_OF_LIMIT, PART_OF_LEVEL = %d, %d, %d, %d, %d\n",
			us(store.Silence), us(store.Unknown), store.Plenty, store.PartOfLimit, store.PartOfLevel) +
		fmt.Sprintf("local RECENT, LINGER, KEEP_BUDGET, MAX_MONEY = %d, %d, %d, '%d'\n",
			us(store.Recent), store.Linger.Milliseconds(), store.KeepBudget.Milliseconds(), int64(store.MaxMoney))
}
