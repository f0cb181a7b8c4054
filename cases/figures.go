package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	figuresPage   = 1000
	maxFigures    = 200_000            // entries that one report reads
	medianOver    = 7 * 24 * time.Hour // decisions that the usual review time is measured over
	medianLeast   = 5                  // fewer say nothing
	medianFor     = 5 * time.Minute    // it is measured anew
	stalledAfter  = 24 * time.Hour     // without a change an applicant has given up, for now
	maxFiguresFor = 400 * 24 * time.Hour
)

// Figures is what happened in a time: of decisions of people unless a name says otherwise.
type Figures struct {
	From, To time.Time
	Days     []FiguresDay
	// Decided is how many levels people decided, by level and verdict; ByRules how many the rules did.
	Decided, ByRules []FiguresVerdict
	// Reasons counts the reasons that people and rules gave, Redone how often each step was sent back.
	Reasons, Redone map[string]int64
	// Waited are how long levels waited for a decision: half of them no longer than Median, nine in ten no longer than P90.
	Median, P90 time.Duration
	Waited      int64 // of how many
	Overturned  int64
	// GivenUp counts cases in which nothing was done for a day, by what is to do next; it is of now, not of the time asked for.
	GivenUp map[string]int64
	// Truncated says that there was more than one report reads: the time asked for is too long.
	Truncated bool
}

// FiguresDay is one UTC day.
type FiguresDay struct {
	Day       string // YYYY-MM-DD
	Submitted int64
	Approved  int64 // by people
	SentBack  int64
	Refused   int64
	Median    time.Duration // from waiting to a decision
}

// FiguresVerdict counts decisions.
type FiguresVerdict struct {
	Level   int
	Verdict Verdict
	N       int64
}

// FiguresBetween counts what happened from a time on and before another, at most 400 days.
func (s *Service) FiguresBetween(ctx context.Context, from, to time.Time) (Figures, error) {
	if to.Sub(from) > maxFiguresFor {
		from = to.Add(-maxFiguresFor)
	}
	f := Figures{From: from, To: to, Reasons: map[string]int64{}, Redone: map[string]int64{}, GivenUp: map[string]int64{}}
	days := map[string]*FiguresDay{}
	waitedOn := map[string][]time.Duration{}
	var waited []time.Duration
	byPeople, byRules := map[FiguresVerdict]int64{}, map[FiguresVerdict]int64{}
	day := func(e Entry) *FiguresDay {
		name := e.At.UTC().Format(time.DateOnly)
		if days[name] == nil {
			days[name] = &FiguresDay{Day: name}
		}
		return days[name]
	}
	read := 0
	err := s.eachCounted(ctx, CountedEvents(), from, to, func(e Entry) bool {
		if read++; read > maxFigures {
			f.Truncated = true
			return false
		}
		switch {
		case e.Event == "level_submitted":
			day(e).Submitted++
			return true
		case e.Event == eventDecision:
			v := Verdict(e.Data["verdict"])
			byPeople[FiguresVerdict{Level: e.Level, Verdict: v}]++
			switch v {
			case VerdictApprove:
				day(e).Approved++
			case VerdictAgain:
				day(e).SentBack++
			case VerdictReject:
				day(e).Refused++
			}
			if e.Data["overturns"] != "" {
				f.Overturned++
			}
			if ms, err := strconv.ParseInt(e.Data["waited_ms"], 10, 64); err == nil && e.Data["outcome"] == "" {
				d := time.Duration(ms) * time.Millisecond
				waited = append(waited, d)
				name := day(e).Day
				waitedOn[name] = append(waitedOn[name], d)
			}
		case e.Actor.Kind == BySystem:
			verdict := map[string]Verdict{"level_approved": VerdictApprove, "level_resubmit": VerdictAgain, "level_rejected": VerdictReject}[e.Event]
			byRules[FiguresVerdict{Level: e.Level, Verdict: verdict}]++
		default:
			return true // the decision told of it
		}
		for _, r := range e.Reasons {
			f.Reasons[r]++
		}
		if steps := e.Data["steps"]; steps != "" && e.Data["verdict"] != string(VerdictReject) {
			for _, st := range strings.Split(steps, ",") {
				f.Redone[st]++
			}
		}
		return true
	})
	if err != nil {
		return Figures{}, err
	}
	f.Decided, f.ByRules = verdicts(byPeople), verdicts(byRules)
	f.Median, f.P90, f.Waited = quantile(waited, .5), quantile(waited, .9), int64(len(waited))
	for name, d := range days {
		d.Median = quantile(waitedOn[name], .5)
		f.Days = append(f.Days, *d)
	}
	slices.SortFunc(f.Days, func(a, b FiguresDay) int { return strings.Compare(a.Day, b.Day) })
	if f.GivenUp, err = s.cfg.Store.Stalled(ctx, s.now().Add(-stalledAfter)); err != nil {
		return Figures{}, fmt.Errorf("count what stands still: %w", err)
	}
	return f, nil
}

func verdicts(m map[FiguresVerdict]int64) []FiguresVerdict {
	var out []FiguresVerdict
	for k, n := range m {
		k.N = n
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b FiguresVerdict) int {
		if a.Level != b.Level {
			return a.Level - b.Level
		}
		return strings.Compare(string(a.Verdict), string(b.Verdict))
	})
	return out
}

// quantile is the smallest of values that the part q of them does not exceed; 0 of none.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	i := int(q*float64(len(values))+.999999) - 1
	return values[min(max(i, 0), len(values)-1)]
}

// eachCounted calls each for history entries of all cases until it returns false.
func (s *Service) eachCounted(ctx context.Context, events []string, from, to time.Time, each func(Entry) bool) error {
	var at Place
	for {
		page, err := s.cfg.Store.Happened(ctx, events, from, to, at, figuresPage)
		if err != nil {
			return fmt.Errorf("read the history: %w", err)
		}
		for _, e := range page {
			if !each(e) {
				return nil
			}
		}
		if len(page) < figuresPage {
			return nil
		}
		at = PlaceOf(page[len(page)-1])
	}
}

// ReviewMedian is the median time from waiting to a person's decision over the last week, measured anew every few minutes;
// ok is false while there were too few decisions to tell.
func (s *Service) ReviewMedian(ctx context.Context) (median time.Duration, ok bool) {
	now := s.now()
	s.mu.Lock()
	m := s.median
	s.mu.Unlock()
	if !m.at.IsZero() && now.Sub(m.at) < medianFor {
		return m.median, m.n >= medianLeast
	}
	var waited []time.Duration
	err := s.eachCounted(ctx, []string{eventDecision}, now.Add(-medianOver), now.Add(time.Millisecond), func(e Entry) bool {
		if ms, err := strconv.ParseInt(e.Data["waited_ms"], 10, 64); err == nil && e.Data["outcome"] == "" {
			waited = append(waited, time.Duration(ms)*time.Millisecond)
		}
		return len(waited) < maxFigures
	})
	if err != nil {
		s.cfg.Log.Warn("review_time_not_measured", "error", err)
		return m.median, m.n >= medianLeast // what was measured last
	}
	m = medianMeasure{at: now, n: len(waited), median: quantile(waited, .5)}
	s.mu.Lock()
	s.median = m
	s.mu.Unlock()
	return m.median, m.n >= medianLeast
}

// medianMeasure is a measured median, when it was measured and of how many.
type medianMeasure struct {
	at     time.Time
	n      int
	median time.Duration
}

// NeedsTwo reports whether two people have to approve a level of a case.
func (s *Service) NeedsTwo(c Case, level int) bool {
	l := c.level(level)
	return l != nil && s.cfg.Policy.FourEyes.asks(c.Document, *l)
}

// InState lists cases by their state, those that changed first first; next is "" at the end. ErrCursor.
func (s *Service) InState(ctx context.Context, state LevelState, cursor string, limit int) (page []Summary, next string, err error) {
	return s.cfg.Store.Cases(ctx, state, cursor, limit)
}
