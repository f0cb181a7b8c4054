package server

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/symbolon/symbolon/cases"
)

// reviewLoad is what waits for people, on all nodes together. It is asked for when somebody looks.
type reviewLoad struct{ s *Server }

var (
	reviewWaiting = prometheus.NewDesc("symbolon_review_waiting", "Cases that wait for a person, by state and lowest waiting level, on all nodes together.", []string{"state", "level"}, nil)
	reviewOldest  = prometheus.NewDesc("symbolon_review_oldest_seconds", "For how long the oldest case has been waiting for a person; 0 where none waits.", nil, nil)
	reviewTaken   = prometheus.NewDesc("symbolon_review_taken", "Cases that somebody has taken.", nil, nil)
	reviewUsual   = prometheus.NewDesc("symbolon_review_median_seconds", "The median from waiting to a decision over a week; absent while there were too few decisions.", nil, nil)
)

func (reviewLoad) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{reviewWaiting, reviewOldest, reviewTaken, reviewUsual} {
		to <- d
	}
}

// Collect leaves all of them out while the store does not answer: every other number is still of use.
func (r reviewLoad) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	f, err := r.s.cfg.Cases.QueueFigures(ctx)
	if err != nil {
		return
	}
	counted := map[cases.LevelState]map[int]int64{}
	for _, state := range queueStates { // those of which there are none, too: a graph has no gaps then
		counted[state] = map[int]int64{}
	}
	for _, c := range f.Counts {
		if counted[c.State] != nil {
			counted[c.State][c.Level] += c.N
		}
	}
	for state, levels := range counted {
		for level := range 4 {
			if (level == 0) != (state == cases.Reported) { // only what is reported and nothing else has no level
				continue
			}
			to <- prometheus.MustNewConstMetric(reviewWaiting, prometheus.GaugeValue, float64(levels[level]), string(state), strconv.Itoa(level))
		}
	}
	to <- prometheus.MustNewConstMetric(reviewOldest, prometheus.GaugeValue, f.Oldest.Seconds())
	to <- prometheus.MustNewConstMetric(reviewTaken, prometheus.GaugeValue, float64(f.Taken))
	if d, ok := r.s.cfg.Cases.ReviewMedian(ctx); ok {
		to <- prometheus.MustNewConstMetric(reviewUsual, prometheus.GaugeValue, d.Seconds())
	}
}

// Decided counts a person's decision about a level. Whoever learns of it calls this.
func (s *Server) Decided(level int, v cases.Verdict, second bool) {
	outcome := string(v)
	if second {
		outcome = string(cases.AwaitingSecond)
	}
	s.metrics.decisions.WithLabelValues(strconv.Itoa(level), outcome).Inc()
}
