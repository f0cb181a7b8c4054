package handoff_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/symbolon/symbolon/handoff"
)

// The protocol once more, as a picture: rows are states, columns actions, "." is refused.
const picture = `
            open     claim    match   mismatch lock    seen     finish cancel     report    expire   supersede
offered     offered  claimed  .       .        .       .        .      cancelled  reported  expired  superseded
claimed     .        .        active  claimed  locked  claimed  .      cancelled  reported  expired  superseded
active      .        .        .       .        .       active   done   cancelled  reported  expired  superseded
done        .        .        .       .        .       .        .      .          .         .        .
expired     .        .        .       .        .       .        .      .          .         .        .
cancelled   .        .        .       .        .       .        .      .          reported  .        .
locked      .        .        .       .        .       .        .      .          .         .        .
reported    .        .        .       .        .       .        .      .          .         .        .
superseded  .        .        .       .        .       .        .      .          .         .        .
`

func TestEveryPairOfStateAndAction(t *testing.T) {
	rows := lines(picture)
	pairs := 0
	for _, row := range rows[1:] {
		from := handoff.State(row[0])
		for i, a := range rows[0] {
			action, want := handoff.Action(a), handoff.State(row[i+1])
			pairs++
			got, err := handoff.Next(from, action)
			if want == "." {
				if err == nil || got != from {
					t.Errorf("%s in %s leads to %s, %v; want a refusal", action, from, got, err)
				}
				continue
			}
			if err != nil || got != want {
				t.Errorf("%s in %s leads to %s, %v; want %s", action, from, got, err, want)
			}
			if live := !from.Ended(); live != slices.Contains(handoff.From(action), from) {
				t.Errorf("From(%s) is wrong about %s", action, from)
			}
		}
	}
	if want := len(handoff.States) * len(handoff.Actions); pairs != want {
		t.Errorf("%d pairs, want %d", pairs, want)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	for _, c := range []struct {
		s    handoff.State
		a    handoff.Action
		want error
	}{
		{handoff.Offered, handoff.ActMatch, handoff.ErrNotClaimed},
		{handoff.Offered, handoff.ActFinish, handoff.ErrNotClaimed},
		{handoff.Claimed, handoff.ActClaim, handoff.ErrClaimed},
		{handoff.Claimed, handoff.ActFinish, handoff.ErrNotMatched},
		{handoff.Active, handoff.ActOpen, handoff.ErrClaimed},
		{handoff.Active, handoff.ActMatch, handoff.ErrActive},
		{handoff.Expired, handoff.ActClaim, handoff.ErrExpired},
		{handoff.Locked, handoff.ActMatch, handoff.ErrLocked},
		{handoff.Done, handoff.ActFinish, handoff.ErrOver},
		{handoff.Superseded, handoff.ActSeen, handoff.ErrOver},
		{handoff.State("nonsense"), handoff.ActClaim, handoff.ErrOver},
		{handoff.Offered, handoff.Action("nonsense"), handoff.ErrNotClaimed},
	} {
		if _, err := handoff.Next(c.s, c.a); !errors.Is(err, c.want) {
			t.Errorf("%s in %s: %v, want %v", c.a, c.s, err, c.want)
		}
	}
}
