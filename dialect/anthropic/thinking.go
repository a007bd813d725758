package anthropic

import (
	"strings"

	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const (
	// minBudget is the least that Anthropic lets a model think, in tokens.
	minBudget = 1024
	// room is what is left for the answer beside the thoughts.
	room = 1024
)

// family is how a model is told how much to think.
type family uint8

const (
	// thoughtless models don't think.
	thoughtless family = iota
	// budgeted models think within a number of tokens.
	budgeted
	// adaptive models decide themselves, and are told an effort.
	adaptive
)

// familyOf tells a model by its name, wherever the name stands: gateways and clouds put their own before it. What is no
// Claude gets a budget, which most servers of this dialect understand; a Claude that isn't known is a new one.
func familyOf(model string) family {
	_, name, ok := strings.Cut(model, "claude-")
	switch {
	case !ok:
		return budgeted
	case hasPrefix(name, "1", "2", "instant", "3-5", "3-opus", "3-haiku", "3-sonnet"):
		return thoughtless
	case hasPrefix(name, "3-7", "haiku-4", "sonnet-4-0", "sonnet-4-2", "sonnet-4@", "opus-4-0", "opus-4-1", "opus-4-2", "opus-4@"),
		name == "sonnet-4", name == "opus-4", strings.Contains(name, "-4-5"):
		return budgeted
	}
	return adaptive
}

func hasPrefix(name string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// defaultMaxTokens is the bound for a prompt that names none, by what the oldest models of each family can write: Claude 3
// takes at most 4096, Claude 3.5 at most 8192, all later ones 16384 and more.
func defaultMaxTokens(model string) int64 {
	_, name, _ := strings.Cut(model, "claude-")
	switch {
	case hasPrefix(name, "3-opus", "3-haiku", "3-sonnet"):
		return 4096
	case hasPrefix(name, "3-5-"):
		return 8192
	}
	return 16384
}

// budgetOf is how many tokens an effort is worth to a model that takes no efforts.
func budgetOf(effort string) int64 {
	switch effort {
	case "minimal":
		return minBudget
	case "low":
		return 2048
	case "high":
		return 16384
	case "xhigh", "max":
		return 24576
	}
	return 8192
}

// thought is how much the model is told to think. The zero thought says nothing.
type thought struct {
	// kind is the thinking parameter's type, empty for none.
	kind    string
	budget  int64
	display string
	// effort is output_config's.
	effort string
}

func (t thought) write(w *object.Writer) {
	w.Sub("thinking", func() {
		w.Text("type", t.kind)
		if t.kind == "enabled" {
			w.Number("budget_tokens", t.budget)
		}
		w.Text("display", t.display)
	})
}

// maxTokens is the bound on the answer, thoughts included.
func (q *asking) maxTokens() int64 {
	if s := q.prompt.GetSampling(); s != nil && s.MaxOutputTokens != nil {
		return s.GetMaxOutputTokens()
	}
	return max(defaultMaxTokens(q.ask.Model), q.thought.budget+room)
}

// plan decides how much the model is told to think.
func (q *asking) plan() {
	r := q.prompt.GetReasoning()
	if r == nil {
		return
	}
	if q.own() { // thinking itself is among the extensions
		q.thought = thought{effort: r.GetEffort()}
		return
	}
	q.thought = q.asked(r)
	if q.thought.kind != "enabled" {
		return
	}
	if why := q.unthinkable(r); why != "" {
		q.dropped("prompt.reasoning", why)
		q.thought = thought{effort: q.thought.effort}
	}
}

func (q *asking) asked(r *llmv1.Reasoning) thought {
	f, effort := familyOf(q.ask.Model), effortOf(r.GetEffort())
	switch {
	case r.GetMode() == llmv1.ReasoningMode_REASONING_MODE_DISABLED:
		return thought{effort: effort}
	case r.GetMode() == 0 && r.BudgetTokens == nil && effort == "":
		return thought{}
	case f == thoughtless:
		q.dropped("prompt.reasoning", "this model doesn't think")
		return thought{}
	case r.GetMode() == llmv1.ReasoningMode_REASONING_MODE_ADAPTIVE:
		return thought{kind: "adaptive", display: r.GetDisplay(), effort: effort}
	case r.GetMode() == llmv1.ReasoningMode_REASONING_MODE_BETWEEN_TOOLS:
		return thought{kind: "between_tools", display: r.GetDisplay(), effort: effort}
	case r.BudgetTokens != nil:
		return thought{kind: "enabled", budget: r.GetBudgetTokens(), display: r.GetDisplay(), effort: effort}
	case f == budgeted:
		return q.budgeted(r)
	}
	return thought{kind: "adaptive", display: r.GetDisplay(), effort: effort}
}

// effortOf is an effort in Anthropic's words; none is not to speak of it.
func effortOf(effort string) string {
	switch effort {
	case "none":
		return ""
	case "minimal":
		return "low"
	}
	return effort
}

// budgeted makes a budget of an effort, within the bound on the answer.
func (q *asking) budgeted(r *llmv1.Reasoning) thought {
	t := thought{kind: "enabled", budget: budgetOf(r.GetEffort()), display: r.GetDisplay()}
	if s := q.prompt.GetSampling(); s != nil && s.MaxOutputTokens != nil {
		t.budget = min(t.budget, s.GetMaxOutputTokens()-room)
	}
	return t
}

// unthinkable says why Anthropic would refuse thinking with a budget; empty where it wouldn't. Adaptive thinking knows none
// of these rules.
func (q *asking) unthinkable(r *llmv1.Reasoning) string {
	switch mode := q.prompt.GetToolChoice().GetMode(); {
	case mode == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED || mode == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_TOOL:
		return "Anthropic's models don't think when a tool has to be called"
	case q.bareCalls():
		return "Anthropic's models go on thinking only after thoughts that Anthropic has signed"
	case r.BudgetTokens == nil && q.thought.budget < minBudget:
		return "max_output_tokens leaves no room for it"
	}
	return ""
}
