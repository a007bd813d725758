package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/kit/peer"
)

const keyUsage = `usage: headgate key create --name NAME [flags]
       headgate key list [--tenant TENANT] [--all] [flags]
       headgate key get ID [flags]
       headgate key update ID [--name NAME] [--models MODELS] [--rpm N] [--expires TIME] [flags]
       headgate key rotate ID [--keep TIME] [flags]
       headgate key revoke ID [flags]`

// runKey serves `headgate key`: it manages the keys of a running mesh.
func runKey(ctx context.Context, e env, args []string) error {
	verbs := map[string]func(context.Context, env, []string) error{
		"create": runKeyCreate, "list": runKeyList, "get": runKeyGet,
		"update": runKeyUpdate, "rotate": runKeyRotate, "revoke": runKeyRevoke,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.New(keyUsage)
	}
	return verbs[args[0]](ctx, e, args[1:])
}

// keyCommand is a verb of `headgate key`.
type keyCommand struct{ meshCommand }

func newKeyCommand(e env, verb string) *keyCommand {
	c := new(keyCommand)
	c.init(e, "key "+verb, keyUsage, func(p Peers) peer.Config { return p.Keys })
	return c
}

// call asks the keys service.
func (c *keyCommand) call(ask func(keysv1.KeyServiceClient) error) error {
	return c.ask(func(conn grpc.ClientConnInterface) error { return ask(keysv1.NewKeyServiceClient(conn)) })
}

func runKeyCreate(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "create")
	request := createFlags(c.flags)
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	r, err := request(time.Now())
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		made, err := client.CreateKey(ctx, r)
		if err != nil {
			return err
		}
		return c.showNew(made)
	})
}

// createFlags adds the flags of a new key; what it returns makes the request of them.
func createFlags(flags *flag.FlagSet) func(now time.Time) (*keysv1.CreateKeyRequest, error) {
	r := &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{}}
	flags.StringVar(&r.Name, "name", "", "what people call the key (required)")
	flags.StringVar(&r.Tenant, "tenant", "", "whose it is (default your own key's tenant, or default)")
	flags.StringVar(&r.Environment, "env", "", "the `word` after hg_ (default live)")
	limitFlags(flags, r.GetLimits(), "default no limit", "default no budget")
	period := flags.String("budget-period", "", "what the budget is for: day, month or total, for ever (default month)")
	role := flags.String("role", "client", "client, viewer or admin")
	models := flags.String("models", "", "the models it may ask for, such as claude-*,gpt-5 (default all)")
	expires := flags.String("expires", "", "when it ends: a `time` from now such as 720h or 30d, or 2027-01-31T00:00:00Z (default never)")
	return func(now time.Time) (_ *keysv1.CreateKeyRequest, err error) {
		if r.Name == "" {
			return nil, errors.New("name the key with --name")
		}
		if err := noZeroLimits(flags); err != nil {
			return nil, err
		}
		if r.Role, err = parseRole(*role); err != nil {
			return nil, err
		}
		if r.Limits.BudgetPeriod, err = parsePeriod(*period, r.GetLimits().GetBudgetUsd()); err != nil {
			return nil, err
		}
		r.Models = splitList(*models)
		r.ExpiresAt, err = parseExpiry(*expires, now)
		return r, err
	}
}

// noZeroLimits refuses what would be no limit at all, though somebody asked for one.
func noZeroLimits(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if n, ok := f.Value.(flag.Getter); ok && strings.HasPrefix(fieldOf[f.Name], "limits.") && (n.Get() == int64(0) || n.Get() == float64(0)) {
			err = fmt.Errorf("--%s 0 would be no limit at all: leave it out where you mean that, or name the least there is to be", f.Name)
		}
	})
	return err
}

// limitFlags adds the flags of limits; each has the name of its field, too.
func limitFlags(flags *flag.FlagSet, l *ratelimitv1.Limits, none, noBudget string) {
	for _, f := range []struct {
		into              *int64
		name, field, what string
	}{
		{&l.RequestsPerMinute, "rpm", "requests-per-minute", "requests per minute"},
		{&l.TokensPerMinute, "tpm", "tokens-per-minute", "tokens per minute"},
		{&l.ConcurrentRequests, "concurrency", "concurrent-requests", "requests at once"},
	} {
		flags.Int64Var(f.into, f.name, 0, f.what+" ("+none+")")
		flags.Int64Var(f.into, f.field, 0, "the same as --"+f.name)
	}
	flags.Float64Var(&l.BudgetUsd, "budget", 0, "US `dollars` that may be spent in a period, such as 10 or 0.50 ("+noBudget+")")
}

func parseRole(s string) (accessv1.Role, error) {
	if !oneOf(s, "client", "viewer", "admin") {
		return 0, errors.New("--role has to be client, viewer or admin")
	}
	return accessv1.Role(accessv1.Role_value["ROLE_"+strings.ToUpper(s)]), nil
}

func parsePeriod(s string, budget float64) (ratelimitv1.BudgetPeriod, error) {
	if s != "" && budget == 0 {
		return 0, errors.New("--budget-period goes with --budget")
	}
	return periodOf(s)
}

// periodOf is a period by its name; none for the empty one.
func periodOf(s string) (ratelimitv1.BudgetPeriod, error) {
	if !oneOf(s, "", "day", "month", "total") {
		return 0, errors.New("--budget-period has to be day, month or total")
	}
	return ratelimitv1.BudgetPeriod(ratelimitv1.BudgetPeriod_value["BUDGET_PERIOD_"+strings.ToUpper(s)]), nil
}

func splitList(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// parseExpiry reads a time, or how far from now it is.
func parseExpiry(s string, now time.Time) (*timestamppb.Timestamp, error) {
	if s == "" {
		return nil, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return timestamppb.New(at), nil
	}
	if days := wholeDays(s); days > 0 {
		return timestamppb.New(now.AddDate(0, 0, days)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return nil, errors.New("--expires has to be a time from now such as 720h or 30d, or a date such as 2027-01-31T00:00:00Z")
	}
	return timestamppb.New(now.Add(d)), nil
}

// wholeDays reads a number of days such as 30d; 0 where it isn't one.
func wholeDays(s string) int {
	var days int
	if n, err := fmt.Sscanf(s+"!", "%dd!", &days); err != nil || n != 1 {
		return 0
	}
	return days
}

// keyWithSecret is an answer in which a secret is shown.
type keyWithSecret interface {
	proto.Message
	GetKey() *keysv1.Key
	GetSecret() string
}

// showNew prints the secret alone to standard output, so that a script can take it, and the rest for a person. A secret that
// couldn't be written is lost.
func (c *keyCommand) showNew(made keyWithSecret) error {
	if c.json {
		return lost(made, printJSON(c.env.stdout, made))
	}
	_ = printKeys(c.env.stderr, time.Now(), made.GetKey()) // the secret matters more than what is said about it
	fmt.Fprintln(c.env.stderr, "\nThe key itself. It is shown this once and stored nowhere: keep it now.")
	_, err := fmt.Fprintln(c.env.stdout, made.GetSecret())
	return lost(made, err)
}

// lost says what to do about a secret that nobody has seen.
func lost(made keyWithSecret, err error) error {
	if err == nil {
		return nil
	}
	id := made.GetKey().GetId()
	return fmt.Errorf("the secret of %s couldn't be written and is lost (%w): headgate key rotate %s gives it another, headgate key revoke %s ends it", id, err, id, id)
}

func runKeyList(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "list")
	r := &keysv1.ListKeysRequest{PageSize: 1000}
	c.flags.StringVar(&r.Tenant, "tenant", "", "only this tenant's keys")
	c.flags.BoolVar(&r.IncludeEnded, "all", false, "also those that were revoked or have expired")
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		keys, err := allKeys(ctx, client, r)
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(c.env.stdout, &keysv1.ListKeysResponse{Keys: keys})
		}
		if len(keys) == 0 {
			fmt.Fprintln(c.env.stderr, none(r))
			return nil
		}
		return printKeys(c.env.stdout, time.Now(), keys...)
	})
}

// none is what to say where a list of keys is empty.
func none(r *keysv1.ListKeysRequest) string {
	switch {
	case r.GetTenant() == "" && r.GetIncludeEnded():
		return "There are no keys yet: headgate key create --name NAME"
	case r.GetIncludeEnded():
		return "The tenant has no keys."
	}
	return "There are no valid keys; --all also lists those that were revoked or have expired."
}

// allKeys goes through all pages.
func allKeys(ctx context.Context, client keysv1.KeyServiceClient, r *keysv1.ListKeysRequest) ([]*keysv1.Key, error) {
	var keys []*keysv1.Key
	for {
		page, err := client.ListKeys(ctx, r)
		if err != nil {
			return nil, err
		}
		keys = append(keys, page.GetKeys()...)
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			return keys, nil
		}
	}
}

func runKeyGet(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "get")
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		found, err := client.GetKey(ctx, &keysv1.GetKeyRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(c.env.stdout, found.GetKey())
		}
		return printKey(c.env.stdout, time.Now(), found.GetKey())
	})
}

func runKeyRevoke(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "revoke")
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	return c.call(func(client keysv1.KeyServiceClient) error {
		ended, err := client.RevokeKey(ctx, &keysv1.RevokeKeyRequest{Id: rest[0]})
		if err != nil {
			return err
		}
		k := ended.GetKey()
		if c.json {
			return printJSON(c.env.stdout, k)
		}
		_, err = fmt.Fprintf(c.env.stdout, "%s (%s) is revoked since %s: every node refuses it within a second.\n",
			k.GetId(), k.GetName(), when(k.GetRevokedAt(), ""))
		return err
	})
}

// printKeys prints one line for each key.
func printKeys(w io.Writer, now time.Time, keys ...*keysv1.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tTENANT\tROLE\tMODELS\tLIMITS\tEXPIRES\tSTATE\tBEGINS WITH")
	for _, k := range keys {
		fmt.Fprintln(table, strings.Join([]string{
			k.GetId(), k.GetName(), k.GetTenant(), roleWord(k), modelWords(k, 2), limitWords(k.GetLimits()),
			when(k.GetExpiresAt(), "never"), state(k, now), k.GetHint(),
		}, "\t"))
	}
	return table.Flush()
}

// printKey prints everything about one key, a line for each thing.
func printKey(w io.Writer, now time.Time, k *keysv1.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", k.GetId()},
		{"name", k.GetName()},
		{"tenant", k.GetTenant()},
		{"role", roleWord(k)},
		{"models", modelWords(k, len(k.GetModels()))},
		{"limits", limitWords(k.GetLimits())},
		{"state", state(k, now)},
		{"begins with", k.GetHint()},
		{"created", when(k.GetCreatedAt(), "") + " by " + k.GetCreatedBy()},
		{"rotated", rotatedWords(k, now)},
		{"expires", when(k.GetExpiresAt(), "never")},
		{"revoked", when(k.GetRevokedAt(), "no")},
	} {
		fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
	}
	return table.Flush()
}

func roleWord(k *keysv1.Key) string {
	return strings.ToLower(strings.TrimPrefix(k.GetRole().String(), "ROLE_"))
}

// modelWords names the first n models and counts the others.
func modelWords(k *keysv1.Key, n int) string {
	list := k.GetModels()
	switch {
	case len(list) == 0:
		return "all"
	case len(list) <= n:
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

func limitWords(l *ratelimitv1.Limits) string {
	var words []string
	for _, limit := range []struct {
		n    int64
		what string
	}{
		{l.GetRequestsPerMinute(), "requests/min"},
		{l.GetTokensPerMinute(), "tokens/min"},
		{l.GetConcurrentRequests(), "at once"},
	} {
		if limit.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", limit.n, limit.what))
		}
	}
	if budget := budgetWords(l); budget != "" {
		words = append(words, budget)
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// budgetWords is a budget as people write it; empty where there is none.
func budgetWords(l *ratelimitv1.Limits) string {
	pico, err := money.FromUSD(l.GetBudgetUsd())
	if err != nil || pico == 0 {
		return ""
	}
	switch l.GetBudgetPeriod() {
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY:
		return "$" + money.USD(pico) + "/day"
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL:
		return "$" + money.USD(pico) + " in all"
	}
	return "$" + money.USD(pico) + "/month"
}

func state(k *keysv1.Key, now time.Time) string {
	switch {
	case k.GetRevokedAt() != nil:
		return "revoked"
	case k.GetExpiresAt() != nil && !now.Before(k.GetExpiresAt().AsTime()):
		return "expired"
	}
	return "valid"
}

// when is a time in the zone of whoever reads it; none where it is unset.
func when(t *timestamppb.Timestamp, none string) string {
	if t == nil {
		return none
	}
	return t.AsTime().Local().Format("2006-01-02 15:04 MST")
}

// printJSON prints a message with the field names of the contract, always in the same form.
func printJSON(w io.Writer, m proto.Message) error {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var value json.RawMessage = text
	text, err = json.MarshalIndent(value, "", "  ") // protojson's own indenting varies from build to build, on purpose
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
