package redis

import (
	"errors"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// errAnswer is an answer of a script that isn't what the script answers.
var errAnswer = errors.New("the script's answer has another form")

const (
	perBalance = 6
	perGrant   = 6
)

func answer(n []int64) (store.Answer, error) {
	if len(n) == 0 {
		return store.Answer{}, errAnswer
	}
	if n[0] == 1 {
		b, err := balances(n[1:])
		return store.Answer{Balances: b}, err
	}
	if len(n) < 3+perBalance {
		return store.Answer{}, errAnswer
	}
	b, err := balances(n[3:])
	if err != nil {
		return store.Answer{}, err
	}
	r := &store.Refusal{RetryAfter: time.Duration(n[1]) * time.Microsecond, Never: n[2] == 1, Balance: b[0]}
	return store.Answer{Refusal: r, Balances: b[1:]}, nil
}

func balances(n []int64) ([]store.Balance, error) {
	if len(n)%perBalance != 0 {
		return nil, errAnswer
	}
	var all []store.Balance
	for ; len(n) > 0; n = n[perBalance:] {
		all = append(all, balance(n))
	}
	return all, nil
}

// balance is six numbers: whose, of what, the limit, what is left, until all is there again, or -1 where that never is,
// and since when nothing is known of it, or -1.
func balance(n []int64) store.Balance {
	b := store.Balance{
		Scope: ratelimitv1.ScopeKind(n[0]), Dimension: ratelimitv1.Dimension(n[1]), Limit: n[2], Remaining: n[3],
		Reset: time.Duration(n[4]) * time.Microsecond, Unseeded: n[5] >= 0,
	}
	if n[4] < 0 {
		b.Reset = store.NoReset
	}
	if n[5] > 0 { // 0 is that of TOTAL
		b.From = time.Unix(n[5], 0).UTC()
	}
	return b
}

func grants(n []int64, stocks int) ([]store.Grant, error) {
	if len(n) != stocks*perGrant {
		return nil, errAnswer
	}
	all := make([]store.Grant, 0, stocks)
	for ; len(n) > 0; n = n[perGrant:] {
		all = append(all, store.Grant{
			Requests: n[0], Tokens: n[1], Places: n[2], RequestsLeft: n[3], TokensLeft: n[4], Returnable: n[5],
		})
	}
	return all, nil
}
