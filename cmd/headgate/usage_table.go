package main

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/price"
)

const (
	// screen is how wide a table may become.
	screen = 100
	gap    = "  "
	// narrowest is what a column of names is never cut below.
	narrowest = 6
)

// grid is a table: a column of times, perhaps, then columns of names, then columns of numbers.
type grid struct {
	// texts is how many columns are text, which is aligned left; but for the first whole ones, it is cut where the table
	// would be too wide.
	texts, whole int
	// spare are the headings of columns that are left out where even that doesn't help.
	spare []string
	rows  [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// print writes the table. Its first row is the head; a rule stands below it and, where last is a total, above that.
func (g *grid) print(w io.Writer, total bool) {
	widths := g.fit()
	rule := 0
	for _, n := range widths {
		rule += n + len(gap)
	}
	for i, row := range g.rows {
		if i == 1 || (total && i == len(g.rows)-1 && i > 1) {
			fmt.Fprintln(w, strings.Repeat("─", rule-len(gap)))
		}
		fmt.Fprintln(w, g.line(row, widths))
	}
}

func (g *grid) line(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		cell = cut(cell, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i < g.texts {
			b.WriteString(cell + pad + gap)
		} else {
			b.WriteString(pad + cell + gap)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// fit returns the widths of the columns: as wide as what is in them, unless that is wider than the screen; then the
// widest names give way, and then the columns that can be spared.
func (g *grid) fit() []int {
	widths := g.natural()
	for total(widths) > screen {
		widest := g.whole
		for i := g.whole; i < g.texts; i++ {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		switch {
		case g.whole < g.texts && widths[widest] > narrowest:
			widths[widest]--
		case len(g.spare) == 0:
			return widths
		default:
			g.drop(slices.Index(g.rows[0], g.spare[0]))
			g.spare = g.spare[1:]
			widths = g.natural()
		}
	}
	return widths
}

func (g *grid) natural() []int {
	widths := make([]int, len(g.rows[0]))
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func (g *grid) drop(column int) {
	for i, row := range g.rows {
		g.rows[i] = slices.Delete(row, column, column+1)
	}
}

func total(widths []int) int {
	sum := len(gap) * (len(widths) - 1)
	for _, n := range widths {
		sum += n
	}
	return sum
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// plain is a text that can't move the cursor: names come from callers.
func plain(s string) string {
	if s == "" {
		return "–"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// thousands writes 1234567 as 1,234,567.
func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

func count(n int64) string { return thousands(strconv.FormatInt(n, 10)) }

// shownDecimals are enough to see a single cheap request; the exact figure is in the JSON.
const shownDecimals = 6

// dollars rounds an exact decimal for the eye. What isn't nothing never looks like it.
func dollars(exact string) string {
	r, ok := new(big.Rat).SetString(exact)
	if !ok {
		return plain(exact)
	}
	text := r.FloatString(shownDecimals)
	if r.Sign() != 0 && strings.Trim(text, "-0.") == "" {
		return "<0.000001"
	}
	whole, fraction, _ := strings.Cut(text, ".")
	return thousands(whole) + "." + fraction
}

// printSums writes the table of sums, and below it what the marks in it mean.
func (a *usageAsk) printSums(w io.Writer, r *usagev1.QueryUsageResponse, sum *usagev1.Sum) error {
	fmt.Fprintln(w, "Usage "+a.span()+"\n")
	if len(r.GetSums()) == 0 {
		fmt.Fprintln(w, "Nothing was used.")
		return nil
	}
	g := &grid{texts: len(a.by), spare: []string{"CACHED", "FAILED", "ATTEMPTS"}}
	head := a.headings()
	if a.interval != 0 {
		g.texts, g.whole = g.texts+1, 1
	}
	if g.texts == 0 {
		head, g.texts = []string{""}, 1
	}
	g.add(append(head, "REQUESTS", "ATTEMPTS", "FAILED", "INPUT", "CACHED", "OUTPUT", "USD ")...)
	for _, s := range r.GetSums() {
		var labels []string
		if a.interval != 0 {
			labels = append(labels, a.stretch(s.GetStart().AsTime()))
		}
		for _, value := range s.GetGroup() {
			labels = append(labels, plain(value))
		}
		if len(labels) > 0 {
			g.add(append(labels, figures(s)...)...)
		}
	}
	last := make([]string, g.texts)
	last[0] = "total"
	g.add(append(last, figures(sum)...)...)
	g.print(w, true)
	printNotes(w, r, sum)
	return nil
}

// headings are those of the columns of text.
func (a *usageAsk) headings() (head []string) {
	if a.interval != 0 {
		head = append(head, "TIME (UTC)")
	}
	for _, name := range a.by {
		if name == "tag" {
			name = a.tagName
		}
		head = append(head, strings.ToUpper(plain(name)))
	}
	return head
}

func figures(s *usagev1.Sum) []string {
	cost := "unpriced"
	if s.GetCostUsd() != "" {
		cost = dollars(s.GetCostUsd())
	}
	if s.GetUnpriced() > 0 {
		cost += "*"
	} else {
		cost += " "
	}
	output := count(s.GetOutputTokens())
	if s.GetEstimated() > 0 {
		output = "~" + output
	}
	return []string{
		count(s.GetRequests()), count(s.GetAttempts()), count(s.GetFailed()), count(s.GetInputTokens()), count(s.GetCachedInputTokens()), output, cost,
	}
}

func printNotes(w io.Writer, r *usagev1.QueryUsageResponse, sum *usagev1.Sum) {
	notes := []struct {
		on   bool
		text string
	}{
		{sum.GetUnpriced() > 0, fmt.Sprintf("* %s attempts have no known price and aren't in the cost", count(sum.GetUnpriced()))},
		{sum.GetEstimated() > 0, fmt.Sprintf("~ the tokens of %s attempts are estimates: the provider gave no count", count(sum.GetEstimated()))},
		{sum.GetCached() > 0, fmt.Sprintf("  %s answers came from the cache at no cost", count(sum.GetCached()))},
		{r.GetTruncated(), "  there are more rows; narrow the time or the groups (the total is of everything)"},
	}
	for i, n := range notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		if n.on {
			fmt.Fprintln(w, n.text)
		}
	}
}

// span says which time the table is about.
func (a *usageAsk) span() string {
	const layout = "2006-01-02 15:04"
	text := "of all time"
	if s := a.filter.GetStart(); s != nil {
		text = "since " + s.AsTime().Format(layout)
	}
	if e := a.filter.GetEnd(); e != nil {
		text += " until " + e.AsTime().Format(layout)
	}
	if a.filter.GetStart() == nil && a.filter.GetEnd() == nil {
		return text
	}
	return text + " UTC"
}

// stretch writes the beginning of a stretch of time as precisely as it needs.
func (a *usageAsk) stretch(t time.Time) string {
	switch a.interval {
	case usagev1.Interval_INTERVAL_MONTH:
		return t.Format("2006-01")
	case usagev1.Interval_INTERVAL_DAY:
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// eventPrinter writes rows as they come: columns of fixed width, so that nothing has to wait for the end.
type eventPrinter struct {
	w    io.Writer
	json bool
	// whole leaves names as long as they are: nobody's screen is too narrow for them.
	whole bool
	rows  int
}

func newEventPrinter(w io.Writer, json bool) *eventPrinter {
	return &eventPrinter{w: w, json: json, whole: !terminal(w)}
}

const (
	eventLine = "%-19s %-10s %-17s %-9s %-9s %9s %8s %11s\n"
	wholeLine = "%-19s %-24s %-24s %-12s %-9s %9s %8s %11s\n"
)

func (p *eventPrinter) layout() string {
	if p.whole {
		return wholeLine
	}
	return eventLine
}

// name is a name for a column of n characters.
func (p *eventPrinter) name(s string, n int) string {
	if p.whole {
		return plain(s)
	}
	return cut(plain(s), n)
}

func (p *eventPrinter) print(e *usagev1.Event) error {
	if p.rows++; p.json {
		text, err := usageJSON(e)
		if err == nil {
			_, err = fmt.Fprintf(p.w, "%s\n", text)
		}
		return err
	}
	if p.rows == 1 {
		if _, err := fmt.Fprintf(p.w, p.layout(), "TIME (UTC)", "KEY", "MODEL", "PROVIDER", "OUTCOME", "INPUT", "OUTPUT", "USD"); err != nil {
			return err
		}
	}
	cost := ""
	switch {
	case e.CostPicoUsd != nil:
		cost = dollars(price.USD(e.GetCostPicoUsd()))
	case e.GetTokens() != nil:
		cost = "unpriced"
	}
	_, err := fmt.Fprintf(p.w, p.layout(), e.GetStartedAt().AsTime().Format(time.DateTime), p.name(e.GetKeyId(), 10),
		p.name(e.GetModel(), 17), p.name(e.GetProvider(), 9), outcome(e),
		tokens(e, e.GetTokens().GetInputTokens()), tokens(e, e.GetTokens().GetOutputTokens()), cost)
	return err
}

// tokens is a count, empty where there is none and marked where it is an estimate.
func tokens(e *usagev1.Event, n int64) string {
	switch {
	case e.GetTokens() == nil:
		return ""
	case e.GetEstimated():
		return "~" + count(n)
	}
	return count(n)
}

// outcome is a word for how an attempt ended.
func outcome(e *usagev1.Event) string {
	switch e.GetOutcome() {
	case usagev1.Outcome_OUTCOME_COMPLETE:
		return "complete"
	case usagev1.Outcome_OUTCOME_PROVIDER_ERROR:
		if s := e.GetHttpStatus(); s != 0 {
			return "error " + strconv.Itoa(int(s))
		}
		return "error"
	case usagev1.Outcome_OUTCOME_BROKEN:
		return "broken"
	case usagev1.Outcome_OUTCOME_TIMEOUT:
		return "timeout"
	case usagev1.Outcome_OUTCOME_CLIENT_LEFT:
		return "left"
	case usagev1.Outcome_OUTCOME_CACHED:
		return "cached"
	}
	return "–"
}

// end says that there was nothing, where there was.
func (p *eventPrinter) end() error {
	if p.rows > 0 || p.json {
		return nil
	}
	_, err := fmt.Fprintln(p.w, "Nothing was used.")
	return err
}
