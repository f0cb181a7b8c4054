// Package sessionredis keeps sessions, limits and remembered answers in Redis: a server,
// sentinels, a cluster, or the embedded one.
//
// Every change is one Lua file of this folder and touches one key. The scripts get the
// time as an argument; a key's TTL only cleans up. They use only what Redis 7.0 and
// miniredis have in common.
package sessionredis

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/sessions"
)

//go:embed put.lua
var putSource string

//go:embed touch.lua
var touchSource string

//go:embed take.lua
var takeSource string

//go:embed give_back.lua
var giveBackSource string

//go:embed begin_answer.lua
var beginAnswerSource string

//go:embed end_answer.lua
var endAnswerSource string

//go:embed note.lua
var noteSource string

const (
	sessionKey = "symbolon:session:"
	limitKey   = "symbolon:limit:"
	answerKey  = "symbolon:answer:"
	accountKey = "symbolon:account:"
)

// Store is a sessions.Store on Redis.
type Store struct {
	client                                                   redis.UniversalClient
	put, touch, take, giveBack, beginAnswer, endAnswer, note *redis.Script
}

var _ sessions.Store = (*Store)(nil)

// New returns a store on the client, which stays the caller's to close.
func New(client redis.UniversalClient) *Store {
	return &Store{
		client:      client,
		put:         redis.NewScript(putSource),
		touch:       redis.NewScript(touchSource),
		take:        redis.NewScript(takeSource),
		giveBack:    redis.NewScript(giveBackSource),
		beginAnswer: redis.NewScript(beginAnswerSource),
		endAnswer:   redis.NewScript(endAnswerSource),
		note:        redis.NewScript(noteSource),
	}
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := Ping(ctx, s.client); err != nil {
		return failed(err)
	}
	return nil
}

// fixed is the part of a session that is written once.
type fixed struct {
	ID        string        `json:"id"`
	Kind      sessions.Kind `json:"kind"`
	AccountID string        `json:"account_id"`
	Roles     []string      `json:"roles,omitempty"`
	CaseID    string        `json:"case_id,omitempty"`
	HandoffID string        `json:"handoff_id,omitempty"`
	Epoch     int64         `json:"epoch,omitempty"`
	CreatedAt int64         `json:"created_at"` // ms
}

// PutSession is a method of sessions.Store.
func (s *Store) PutSession(ctx context.Context, hash string, v sessions.Session) error {
	doc, err := json.Marshal(fixed{v.ID, v.Kind, v.AccountID, v.Roles, v.CaseID, v.HandoffID, v.Epoch, v.CreatedAt.UnixMilli()})
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	// Its length, not its end: the clock of Redis need not agree with ours.
	life := max(v.ExpiresAt.Sub(v.CreatedAt).Milliseconds(), 1)
	if err := s.put.Run(ctx, s.client, []string{sessionKey + hash},
		doc, v.ExpiresAt.UnixMilli(), v.IdleUntil.UnixMilli(), stamp(v.ConfirmedAt), life).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// Session is a method of sessions.Store.
func (s *Store) Session(ctx context.Context, hash string, now time.Time) (sessions.Session, error) {
	got, err := s.client.HMGet(ctx, sessionKey+hash, "session", "expires", "idle", "confirmed").Result()
	if err != nil {
		return sessions.Session{}, failed(err)
	}
	doc, ok := got[0].(string)
	if !ok {
		return sessions.Session{}, sessions.ErrUnknown
	}
	var f fixed
	if err := json.Unmarshal([]byte(doc), &f); err != nil {
		return sessions.Session{}, fmt.Errorf("decode session: %w", err)
	}
	var ms [3]int64
	for i := range ms {
		text, _ := got[i+1].(string)
		if ms[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return sessions.Session{}, fmt.Errorf("decode session: %w", err)
		}
	}
	v := sessions.Session{
		ID: f.ID, Kind: f.Kind, AccountID: f.AccountID, Roles: f.Roles,
		CaseID: f.CaseID, HandoffID: f.HandoffID, Epoch: f.Epoch,
		CreatedAt: moment(f.CreatedAt), ExpiresAt: moment(ms[0]), IdleUntil: moment(ms[1]), ConfirmedAt: moment(ms[2]),
	}
	if !now.Before(v.ExpiresAt) || !now.Before(v.IdleUntil) {
		return sessions.Session{}, sessions.ErrUnknown
	}
	return v, nil
}

// TouchSession is a method of sessions.Store.
func (s *Store) TouchSession(ctx context.Context, hash string, idleUntil, confirmedAt time.Time) error {
	done, err := s.touch.Run(ctx, s.client, []string{sessionKey + hash}, idleUntil.UnixMilli(), stamp(confirmedAt)).Int()
	if err != nil {
		return failed(err)
	}
	if done == 0 {
		return sessions.ErrUnknown
	}
	return nil
}

// DeleteSession is a method of sessions.Store.
func (s *Store) DeleteSession(ctx context.Context, hash string) error {
	if err := s.client.Del(ctx, sessionKey+hash).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// NoteSession is a method of sessions.Store.
func (s *Store) NoteSession(ctx context.Context, account, hash string, until, now time.Time) error {
	if err := s.note.Run(ctx, s.client, []string{accountKey + account}, hash, until.UnixMilli(), now.UnixMilli()).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// SessionsOf is a method of sessions.Store.
func (s *Store) SessionsOf(ctx context.Context, account string, now time.Time) ([]string, error) {
	all, err := s.client.HGetAll(ctx, accountKey+account).Result()
	if err != nil {
		return nil, failed(err)
	}
	var out []string
	for hash, until := range all {
		if ms, err := strconv.ParseInt(until, 10, 64); err == nil && ms > now.UnixMilli() {
			out = append(out, hash)
		}
	}
	return out, nil
}

// Take is a method of sessions.Store.
func (s *Store) Take(ctx context.Context, key string, window time.Duration, now time.Time) (int64, time.Duration, error) {
	got, err := s.take.Run(ctx, s.client, []string{limitKey + key}, max(window.Milliseconds(), 1), now.UnixMilli()).Int64Slice()
	if err != nil {
		return 0, 0, failed(err)
	}
	if len(got) != 2 {
		return 0, 0, errors.New("sessionredis: take.lua answered in another form")
	}
	return got[0], time.Duration(got[1]) * time.Millisecond, nil
}

// GiveBack is a method of sessions.Store.
func (s *Store) GiveBack(ctx context.Context, key string, taken time.Time) error {
	if err := s.giveBack.Run(ctx, s.client, []string{limitKey + key}, taken.UnixMilli()).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// BeginAnswer is a method of sessions.Store.
func (s *Store) BeginAnswer(ctx context.Context, key, digest, claim string, claimFor time.Duration, now time.Time) (*sessions.Answer, error) {
	got, err := s.beginAnswer.Run(ctx, s.client, []string{answerKey + key},
		digest, claim, max(claimFor.Milliseconds(), 1), now.UnixMilli()).StringSlice()
	if err != nil {
		return nil, failed(err)
	}
	switch {
	case len(got) == 1 && got[0] == "claimed":
		return nil, nil
	case len(got) == 1 && got[0] == "reused":
		return nil, sessions.ErrKeyReused
	case len(got) == 1 && got[0] == "in_progress":
		return nil, sessions.ErrInProgress
	case len(got) == 2 && got[0] == "answer":
		var a sessions.Answer
		if err := json.Unmarshal([]byte(got[1]), &a); err != nil {
			return nil, fmt.Errorf("decode answer: %w", err)
		}
		return &a, nil
	}
	return nil, errors.New("sessionredis: begin_answer.lua answered in another form")
}

// EndAnswer is a method of sessions.Store.
func (s *Store) EndAnswer(ctx context.Context, key, claim string, a *sessions.Answer, keepFor time.Duration, now time.Time) error {
	doc := []byte{}
	if a != nil {
		var err error
		if doc, err = json.Marshal(a); err != nil {
			return fmt.Errorf("encode answer: %w", err)
		}
	}
	if err := s.endAnswer.Run(ctx, s.client, []string{answerKey + key},
		claim, doc, max(keepFor.Milliseconds(), 1), now.UnixMilli()).Err(); err != nil {
		return failed(err)
	}
	return nil
}

// failed keeps the driver's words for the log and tells the caller to come back.
func failed(err error) error { return sessions.ErrUnavailable.After(2 * time.Second).Because(err) }

// stamp writes the zero time as 0.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
