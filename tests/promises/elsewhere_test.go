package promises_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// elsewhere are promises whose tests stand beside what keeps them; `make promises` runs them for the table.
var elsewhere = []struct{ promise, what, where, tests string }{
	{"L1", "windows over instances, Redis", "services/ratelimit", "TestWindowOverInstances"},
	{"L1", "windows of a router's stock", "services/router/internal/quota", "TestWindow"},
	{"L1", "two nodes, one limit", "tests", "TestTwoNodesOneLimit"},
	{"L2", "random sequences on one budget, memory", "services/ratelimit/internal/store/memory", "TestStore"},
	{"L2", "random sequences on one budget, Redis", "services/ratelimit/internal/store/redis", "TestStore"},
	{"L2", "instances, restarts and flushes", "services/ratelimit", "TestBudget.*"},
	{"L2", "64 streams on one budget", "services/router/internal/quota", "TestBudgetOfManyStreams"},
	{"L2", "streams end at their budget", "services/router/internal/relay", "TestBudget.*"},
	{"L2", "two nodes, one budget", "tests", "TestTwoNodesOneBudget"},
	{"L2", "the mesh killed, budgets stay used", "tests", "TestBudgetSurvivesKills|TestUsedUpStaysUsedUp"},
	{"L3", "Redis away, in the rate limiter", "services/ratelimit", "TestOutage"},
	{"L3", "Redis away, in the mesh", "tests", "TestRedisDown"},
	{"U1", "the ledger killed", "services/usage", "TestKilled"},
	{"U1", "the mesh killed under load", "tests", "TestKilledUnderLoad"},
	{"U1", "a batch at providers, killed", "tests", "TestJobsSurviveKills"},
	{"U4", "a log that is full", "kit/spool", "TestFull|TestDiskFull|TestFileTooLarge"},
	{"U4", "a full log stops admission", "services/router/internal/ledger", "TestFullLog"},
	{"U4", "a torn or flipped log", "kit/spool", "TestTorn|TestFlipped"},
	{"C1", "canaries through the cache", "services/cache", "TestCanariesDontCross"},
	{"C1", "canaries through the router", "services/router/internal/answers", "TestCanaries"},
	{"C2", "what isn't kept, and how hits replay", "services/router/internal/answers", "TestWhatIsntKept|TestHitReplaysTheStream|TestUnary|TestClientLeavesWithTheLastFrame"},
	{"C2", "hits through the mesh, labelled", "tests", "TestCache"},
	{"C3", "purges racing fills, memory", "services/cache/internal/memory", "TestStore"},
	{"C3", "purges racing fills, Redis", "services/cache/internal/redis", "TestStore"},
	{"C4", "one fill of many, memory", "services/cache/internal/memory", "TestStore"},
	{"C4", "one fill of many, Redis", "services/cache/internal/redis", "TestStore"},
	{"C4", "leaders and followers in the router", "services/router/internal/answers", "TestOneAsksForAll|TestLeader.*|TestEveryLeaderLeaves|TestUnkept|TestFollowersLeave|TestServiceGoes|TestWithdrawnWhileTheyWait|TestJoinedCanaries"},
	{"C4", "a hundred clients, one node and several", "tests", "TestHundred.*"},
	{"C4", "leaders that leave, fail or die", "tests", "TestLeader.*|TestUnkeptAnswers|TestWithdrawnWhileTheyWait|TestCacheDiesWhileTheyWait|TestNeverJoined"},
	{"C4", "canaries through joined calls", "tests", "TestJoinedCanaries"},
	{"K1", "revoked keys", "services/keys", "TestRevokedWithinASecond"},
	{"K1", "the keys service down", "tests", "TestUnknownWhileKeysAreDown"},
	{"K2", "no secret in any output", "tests", "TestNoSecretInOutput"},
	{"K4", "slow and cut requests", "tests", "TestSlowAndCutRequests"},
}

var verdicts = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): `)

// TestElsewhere collects the verdicts of the other promises' tests; a plain `go test` runs those where they are.
func TestElsewhere(t *testing.T) {
	if os.Getenv("HEADGATE_PROMISES") == "" {
		t.Skip("HEADGATE_PROMISES isn't set: they run beside what they test")
	}
	for _, e := range elsewhere {
		t.Run(e.promise+" "+e.what, func(t *testing.T) {
			y := promise(t, e.promise, e.what)
			args := []string{"test", "-count=1", "-v", "-run", "^(" + e.tests + ")$"}
			if !long {
				args = append(args, "-short")
			}
			out, err := exec.CommandContext(t.Context(), "go", append(args, "../../"+e.where)...).CombinedOutput() //nolint:gosec // names of ours
			count := map[string]int{}
			for _, v := range verdicts.FindAllStringSubmatch(string(out), -1) {
				count[v[1]]++
			}
			y.rounds.Store(int64(count["PASS"] + count["FAIL"]))
			y.found("%s: %d tests, %d skipped", e.where+" "+e.tests, count["PASS"]+count["FAIL"], count["SKIP"])
			if err != nil || count["FAIL"] > 0 {
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				y.broken("%v\n%s", err, strings.Join(lines[max(0, len(lines)-30):], "\n"))
				y.failures.Store(int64(max(1, count["FAIL"])))
			} else if count["PASS"]+count["SKIP"] == 0 {
				y.broken("no such test")
			}
		})
	}
}
