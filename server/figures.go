package server

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

var errNoBundle = fault.New(fault.Conflict, "bundle_unavailable", "This server has no key to sign with.")

type figuresView struct {
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Days       []figuresDayView `json:"days"`
	Decided    []verdictView    `json:"decided"`
	ByRules    []verdictView    `json:"by_rules"`
	Reasons    []countView      `json:"reasons"`
	Redone     []countView      `json:"redone"`
	GivenUp    []countView      `json:"given_up"`
	Median     int64            `json:"median_seconds"`
	P90        int64            `json:"p90_seconds"`
	Waited     int64            `json:"waited"`
	Overturned int64            `json:"overturned"`
	Truncated  bool             `json:"truncated"`
}

type figuresDayView struct {
	Day       string `json:"day"`
	Submitted int64  `json:"submitted"`
	Approved  int64  `json:"approved"`
	SentBack  int64  `json:"resubmit"`
	Refused   int64  `json:"rejected"`
	Median    int64  `json:"median_seconds"`
}

type verdictView struct {
	Level   int           `json:"level"`
	Verdict cases.Verdict `json:"verdict"`
	N       int64         `json:"n"`
}

type countView struct {
	Name string `json:"name"`
	N    int64  `json:"n"`
}

// counts sorts what was counted: the most frequent first.
func counts(m map[string]int64) []countView {
	out := []countView{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, countView{name, m[name]})
	}
	slices.SortStableFunc(out, func(a, b countView) int { return int(b.N - a.N) })
	return out
}

// figuresOf reads what a supervisor asks for: days from and to, both included, the last 30 where they are not given.
func (s *Server) figuresOf(c *fiber.Ctx) (figuresView, error) {
	if _, err := s.staff(c, cases.Supervisor); err != nil {
		return figuresView{}, err
	}
	today := s.cfg.Now().UTC().Truncate(24 * time.Hour)
	day := func(name string, usual time.Time) (time.Time, error) {
		text := c.Query(name)
		if text == "" {
			return usual, nil
		}
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return t, fault.Fields(fault.Field{Field: name, Code: "date_invalid", Detail: "Write a day as 2026-12-31."})
		}
		return t, nil
	}
	from, err := day("from", today.AddDate(0, 0, -29))
	if err != nil {
		return figuresView{}, err
	}
	to, err := day("to", today)
	if err != nil {
		return figuresView{}, err
	}
	if to.Before(from) || to.Sub(from) > 366*24*time.Hour {
		return figuresView{}, fault.Fields(fault.Field{Field: "to", Code: "date_invalid", Detail: "At most a year, and not before the first day."})
	}
	f, err := s.cfg.Cases.FiguresBetween(c.UserContext(), from, to.AddDate(0, 0, 1))
	if err != nil {
		return figuresView{}, err
	}
	v := figuresView{
		From: from, To: to, Days: []figuresDayView{}, Decided: []verdictView{}, ByRules: []verdictView{},
		Reasons: counts(f.Reasons), Redone: counts(f.Redone), GivenUp: counts(f.GivenUp),
		Median: int64(f.Median.Seconds()), P90: int64(f.P90.Seconds()), Waited: f.Waited, Overturned: f.Overturned, Truncated: f.Truncated,
	}
	for _, d := range f.Days {
		v.Days = append(v.Days, figuresDayView{d.Day, d.Submitted, d.Approved, d.SentBack, d.Refused, int64(d.Median.Seconds())})
	}
	for _, d := range f.Decided {
		v.Decided = append(v.Decided, verdictView(d))
	}
	for _, d := range f.ByRules {
		v.ByRules = append(v.ByRules, verdictView(d))
	}
	return v, nil
}

func (s *Server) figures(c *fiber.Ctx) error {
	v, err := s.figuresOf(c)
	if err != nil {
		return err
	}
	return c.JSON(v)
}

// figuresCSV is figures as one table: a row a number, for spreadsheets.
func (s *Server) figuresCSV(c *fiber.Ctx) error {
	v, err := s.figuresOf(c)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	row := func(what, name, level string, n int64) {
		_ = w.Write([]string{what, name, level, strconv.FormatInt(n, 10)})
	}
	_ = w.Write([]string{"figure", "name", "level", "value"})
	row("median_seconds", "", "", v.Median)
	row("p90_seconds", "", "", v.P90)
	row("waited", "", "", v.Waited)
	row("overturned", "", "", v.Overturned)
	for _, d := range v.Days {
		row("submitted", d.Day, "", d.Submitted)
		row("approved", d.Day, "", d.Approved)
		row("resubmit", d.Day, "", d.SentBack)
		row("rejected", d.Day, "", d.Refused)
		row("day_median_seconds", d.Day, "", d.Median)
	}
	for _, l := range []struct {
		what string
		all  []verdictView
	}{{"decided", v.Decided}, {"by_rules", v.ByRules}} {
		for _, d := range l.all {
			row(l.what, string(d.Verdict), strconv.Itoa(d.Level), d.N)
		}
	}
	for _, l := range []struct {
		what string
		all  []countView
	}{{"reason", v.Reasons}, {"redone", v.Redone}, {"given_up", v.GivenUp}} {
		for _, n := range l.all {
			row(l.what, n.Name, "", n.N)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="figures.csv"`)
	return c.Send(b.Bytes())
}

// bundleCase sends the evidence of a case as one signed archive. It is written to a file first: a failure halfway
// is then a problem and not half an archive.
func (s *Server) bundleCase(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Supervisor)
	if err != nil {
		return err
	}
	ctx, id := c.UserContext(), param(c, "id")
	if _, err := s.cfg.Cases.Get(ctx, id); err != nil {
		return err
	}
	if s.cfg.Bundle == nil {
		return errNoBundle
	}
	if _, err := s.cfg.Cases.Holding(ctx, by.account, id); err != nil {
		return err
	}
	if err := s.cfg.Cases.Look(ctx, id, by.actor(), cases.LookBundle, id); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.cfg.TempDir, "bundle-*.zip")
	if err != nil {
		return fmt.Errorf("make a bundle: %w", err)
	}
	gone := func(err error) error { return errors.Join(err, f.Close()) }
	if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open, whatever happens to this process
		return gone(fmt.Errorf("make a bundle: %w", err))
	}
	if err := s.cfg.Bundle(ctx, id, f); err != nil {
		return gone(err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return gone(fmt.Errorf("make a bundle: %w", err))
	}
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+id+`.zip"`)
	c.Context().Response.SetBodyStream(f, int(size))
	return nil
}
