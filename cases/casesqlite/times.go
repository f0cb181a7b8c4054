package casesqlite

import (
	"slices"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// toMS is a time as every backend keeps it: UTC, to the millisecond.
func toMS(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// trimmed is d with every time to the millisecond. The caller's d is not touched.
func trimmed(d cases.Document) cases.Document {
	d.CreatedAt, d.UpdatedAt, d.ReportedAt = toMS(d.CreatedAt), toMS(d.UpdatedAt), toMS(d.ReportedAt)
	d.ErasedAt, d.ActedAt, d.HeldAt, d.RelationEndedAt = toMS(d.ErasedAt), toMS(d.ActedAt), toMS(d.HeldAt), toMS(d.RelationEndedAt)
	d.Levels = slices.Clone(d.Levels)
	for i := range d.Levels {
		l := &d.Levels[i]
		l.SubmittedAt, l.DecidedAt = toMS(l.SubmittedAt), toMS(l.DecidedAt)
	}
	d.Steps = slices.Clone(d.Steps)
	for i := range d.Steps {
		takes := slices.Clone(d.Steps[i].Takes)
		for j := range takes {
			t := &takes[j]
			t.CreatedAt, t.ExpiresAt, t.AcceptedAt = toMS(t.CreatedAt), toMS(t.ExpiresAt), toMS(t.AcceptedAt)
		}
		d.Steps[i].Takes = takes
	}
	d.Pending = slices.Clone(d.Pending)
	for i := range d.Pending {
		d.Pending[i].At = toMS(d.Pending[i].At)
	}
	d.Jobs = slices.Clone(d.Jobs)
	for i := range d.Jobs {
		j := &d.Jobs[i]
		j.RunAfter, j.LeaseUntil = toMS(j.RunAfter), toMS(j.LeaseUntil)
	}
	return d
}
