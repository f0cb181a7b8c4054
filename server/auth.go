package server

import (
	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/sessions"
)

// principal is who makes this request: exactly one.
type principal struct {
	kind     principalKind
	session  sessions.Session
	token    string
	byCookie bool
	handoff  *handoff.Handoff // a phone's, live and of the current epoch
}

type principalKind string

const (
	applicant principalKind = "applicant"
	phone     principalKind = "phone"
)

// actor is the principal as package cases knows it.
func (p principal) actor() cases.Actor {
	if p.kind == phone {
		return cases.Actor{Kind: cases.ByPhone, ID: p.handoff.ID, Epoch: p.handoff.Epoch}
	}
	return cases.Actor{Kind: cases.ByApplicant, ID: p.session.AccountID}
}

// owner is what a take is owned by: the session of an applicant, the handoff of a phone.
func (p principal) owner() string {
	if p.kind == phone {
		return p.handoff.ID
	}
	return p.session.ID
}

// channel is where the principal works: "desk" or "phone". A native app is a phone.
func (p principal) channel() string {
	if p.kind == phone || p.session.Kind == sessions.Bearer {
		return "phone"
	}
	return "desk"
}
