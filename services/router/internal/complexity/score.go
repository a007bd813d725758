package complexity

import "math"

// trait is a weight and the count at which half of it is reached.
type trait struct{ weight, half float64 }

// The weights of the package's comment.
var (
	length    = trait{0.34, 110}
	hard      = trait{0.66, 1.2}
	work      = trait{0.36, 2.5}
	maths     = trait{0.36, 3}
	code      = trait{0.30, 3}
	demands   = trait{0.26, 5}
	commas    = trait{0.22, 10}
	figures   = trait{0.22, 7}
	questions = trait{0.08, 2}

	context = trait{0.15, 3000}
	tools   = trait{0.25, 6}
	results = trait{0.10, 5}
	turns   = trait{0.08, 6}
	schema  = trait{0.08, 4000}
	output  = trait{0.08, 8192}
)

const (
	systemWeight = 0.20
	effortWeight = 0.35
	// fading is what is left of a turn's score one turn later.
	fading = 0.6
	// easing is what words of easy work take at most, brevity what a short answer does.
	easing  = 0.35
	brevity = 0.3
	// short is the bound on an answer, in tokens, from which on it isn't short; long that beyond which it is long.
	short = 256
	long  = 4096
	// places are the decimals of a score: what lies behind them differs between processors.
	places = 1e4
)

// of returns weight·n/(n+half).
func (t trait) of(n float64) float64 {
	if n <= 0 {
		return 0
	}
	return t.weight * n / (n + t.half)
}

// sum is a score in the making: what all the traits so far leave of 1.
type sum struct{ left float64 }

func (s *sum) add(x float64) { s.left *= 1 - x }

// score is that of one text.
func (t *text) score() float64 {
	s := sum{1}
	s.add(length.of(float64(t.length())))
	s.add(hard.of(t.found[hardWord].count()))
	s.add(work.of(t.found[workWord].count()))
	s.add(maths.of(t.found[mathsWord].count() + float64(t.mathsSigns)/4))
	s.add(code.of(t.found[codeWord].count() + float64(t.fences+1)/2 + float64(t.codeSigns)/10 - 0.5))
	s.add(demands.of(t.found[demandWord].count() + float64(t.items)))
	s.add(commas.of(float64(t.commas)))
	s.add(figures.of(float64(t.figures)))
	s.add(questions.of(float64(t.questions - 1)))
	return (1 - s.left) * (1 - trait{easing, 1}.of(t.found[easyWord].count()))
}

// score is that of the request.
func (r *reader) score() float64 {
	r.turn()
	s := sum{1}
	s.add(max(r.now, r.before))
	s.add(systemWeight * r.system.score())
	s.add(context.of(float64(r.system.length() + r.context.length())))
	s.add(tools.of(float64(r.shape.Tools)))
	s.add(results.of(float64(r.results)))
	s.add(turns.of(float64(r.turns - 1)))
	s.add(effortWeight * r.effort)
	s.add(schema.of(float64(r.schema)))
	s.add(output.of(float64(r.bound - long)))
	score := 1 - s.left
	if r.bound > 0 && r.bound < short {
		score *= 1 - brevity*(1-float64(r.bound)/short)
	}
	return math.Round(score*places) / places
}

// turn ends what was asked in one turn, where anything was.
func (r *reader) turn() {
	if r.ask.length() == 0 {
		return
	}
	r.before = fading * max(r.before, r.now)
	r.now = r.ask.score()
	r.ask = text{}
	r.turns++
}
