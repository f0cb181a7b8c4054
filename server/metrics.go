package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/symbolon/symbolon/handoff"
)

// metrics is what the operator may count. Labels come from closed lists (patterns of routes,
// codes, states); no id, address or anything personal is one.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	took      *prometheus.HistogramVec
	panics    prometheus.Counter
	uploaded  prometheus.Counter
	handoffs  *prometheus.CounterVec
	jobs      *prometheus.CounterVec
	decisions *prometheus.CounterVec
	clips     *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "symbolon_requests_total", Help: "Requests answered, by route, method, status and problem code.",
		}, []string{"route", "method", "status", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "symbolon_request_seconds", Help: "Time from a request's head to its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"route", "method"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "symbolon_panics_total", Help: "Requests that ended in a panic.",
		}),
		uploaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "symbolon_upload_bytes_total", Help: "Bytes received by uploads.",
		}),
		handoffs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "symbolon_handoffs_ended_total", Help: "Handoffs that ended, by how.",
		}, []string{"state"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "symbolon_jobs_total", Help: "Runs of jobs of cases on this node, by kind and what came of it: done, retried, or given_up to a person.",
		}, []string{"kind", "outcome"}),
	}
	m.decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "symbolon_review_decisions_total", Help: "Decisions of people, by level and verdict; awaiting_second is an approval that another one has to agree to.",
	}, []string{"level", "verdict"})
	m.clips = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "symbolon_clip_checks_total", Help: "Checks of recordings on this node, by check and verdict.",
	}, []string{"check", "verdict"})
	m.registry.MustRegister(
		m.clips, m.decisions, reviewLoad{s}, m.requests, m.took, m.panics, m.uploaded, m.handoffs, m.jobs, backlog{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("symbolon_connections", "Connections that are open, sockets included.", func() int {
			s.transport.mu.Lock()
			defer s.transport.mu.Unlock()
			return len(s.transport.conns)
		}),
		gauge("symbolon_uploads_running", "Uploads that are being received.", func() int {
			s.transport.mu.Lock()
			defer s.transport.mu.Unlock()
			return len(s.transport.bodies)
		}),
	)
	if hub := s.cfg.Hub; hub != nil {
		m.registry.MustRegister(
			gauge("symbolon_live_sockets", "Live sockets that are open.", func() int { return hub.Stats().Listeners }),
			gauge("symbolon_live_cases", "Cases that somebody watches.", func() int { return hub.Stats().Cases }),
			gauge("symbolon_live_unpublished", "Changes that wait to be told to other nodes.", func() int { return hub.Stats().Unpublished }),
			counter("symbolon_live_changes_total", "Changes told to other nodes.", func() int64 { return hub.Stats().Changes }),
			counter("symbolon_live_bus_errors_total", "Failures of the way between nodes.", func() int64 { return hub.Stats().BusErrors }),
			counter("symbolon_live_relays_dropped_total", "Fleeting messages that were dropped on the way to other nodes.", func() int64 { return hub.Stats().RelaysDropped }),
			counter("symbolon_live_losses_total", "Times that every socket had to read again.", func() int64 { return hub.Stats().Losses }),
		)
	}
	return m
}

// backlog is what waits to be done, on all nodes together. It is asked for when somebody looks.
type backlog struct{ s *Server }

var (
	jobsWaiting = prometheus.NewDesc("symbolon_jobs_waiting", "Cases in which a job is due or history is to be copied, on all nodes together.", nil, nil)
	jobsOldest  = prometheus.NewDesc("symbolon_jobs_oldest_seconds", "For how long the oldest due job has been waiting; 0 where none is due.", nil, nil)
)

func (backlog) Describe(to chan<- *prometheus.Desc) { to <- jobsWaiting; to <- jobsOldest }

// Collect leaves both out while the store does not answer: every other number is still of use.
func (b backlog) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	n, oldest, err := b.s.cfg.Cases.Backlog(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(jobsWaiting, prometheus.GaugeValue, float64(n))
	to <- prometheus.MustNewConstMetric(jobsOldest, prometheus.GaugeValue, oldest.Seconds())
}

// ClipChecked counts what a check of a recording found. Whoever learns of it calls this.
func (s *Server) ClipChecked(check, verdict string) {
	s.metrics.clips.WithLabelValues(check, verdict).Inc()
}

// JobEnded counts a run of a job of a case. Whoever learns of it calls this.
func (s *Server) JobEnded(kind, outcome string) {
	s.metrics.jobs.WithLabelValues(kind, outcome).Inc()
}

func gauge(name, help string, value func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

func counter(name, help string, value func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

// request counts one answer. route is a pattern, "" where no route saw the request.
func (m *metrics) request(route, method string, status int, code string, took time.Duration, err error) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status), code).Inc()
	m.took.WithLabelValues(route, method).Observe(took.Seconds())
	if errors.As(err, new(errPanic)) {
		m.panics.Inc()
	}
}

// unread counts an answer to a request that did not reach the app.
func (m *metrics) unread(status int, code string) {
	m.requests.WithLabelValues("", "", strconv.Itoa(status), code).Inc()
}

// HandoffEnded counts a handoff that left its last live state. Whoever learns of it calls this.
func (s *Server) HandoffEnded(state handoff.State) {
	s.metrics.handoffs.WithLabelValues(string(state)).Inc()
}

// OpsHandler serves the operator: /metrics for Prometheus, /healthz, and /readyz with the parts that
// do not answer and why. It asks nobody who they are: it belongs on a listener that the
// world cannot reach.
func (s *Server) OpsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, word, parts := http.StatusOK, "ok", map[string]string{}
		for name, err := range s.cfg.Ready(r.Context()) {
			status, word = http.StatusServiceUnavailable, "unavailable"
			parts[name] = err.Error()
		}
		if s.transport.stopped() {
			status, word = http.StatusServiceUnavailable, "shutting_down"
		}
		notes := s.cfg.Notes
		if notes == nil {
			notes = map[string]string{}
		}
		writeJSON(w, status, map[string]any{"status": word, "failing": parts, "notes": notes})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
