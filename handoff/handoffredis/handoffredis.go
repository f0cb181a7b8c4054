// Package handoffredis keeps handoffs in Redis: a single server, Sentinel or Cluster, or
// the embedded one.
//
//	symbolon:handoff:{id}       hash: one handoff
//	symbolon:newest:{case}      hash: the newest handoff of a case and the greatest epoch seen
//	symbolon:locator:<locator>  string: the handoff a scanned code belongs to
//	symbolon:text:<index>       string: the handoff a typed code belongs to
//	symbolon:deadlines          sorted set: when somebody has to look at which handoff
//	symbolon:locks:{case}       sorted set: the locks of a case
//	symbolon:reported:{case}    string: the case was reported
//
// A change of a handoff is one Lua file on one key, so a cluster runs it too. What has to
// happen on two keys is ordered so that stopping between them is harmless: deadlines are
// set before the step that makes them true, and a look that comes too early is put off.
//
// Everything written is text (binary is base64), so any dump of Redis is readable.
package handoffredis

import (
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/handoff"
)

//go:embed *.lua
var files embed.FS

var (
	createScript = script("create")
	pointScript  = script("point")
	openScript   = script("open")
	claimScript  = script("claim")
	matchScript  = script("match")
	seenScript   = script("seen")
	endScript    = script("end")
	reportScript = script("report")
	sweepScript  = script("sweep")
	toldScript   = script("told")
)

func script(step string) *redis.Script {
	b, err := files.ReadFile(step + ".lua")
	if err != nil {
		panic(err) // the file is embedded: only a misspelt name gets here
	}
	return redis.NewScript(string(b))
}

// Store keeps handoffs in Redis. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

var _ handoff.Store = (*Store)(nil)

// New returns a store that uses client, which stays the caller's to close.
func New(client redis.UniversalClient) *Store { return &Store{client} }

// The keys (docs/formats/redis.md). The part in braces decides the slot of a cluster.
const deadlines = "symbolon:deadlines"

func handoffKey(id string) string      { return "symbolon:handoff:{" + id + "}" }
func caseKey(id string) string         { return "symbolon:newest:{" + id + "}" }
func locatorKey(locator string) string { return "symbolon:locator:" + locator }
func textKey(index string) string      { return "symbolon:text:" + index }
func locksKey(caseID string) string    { return "symbolon:locks:{" + caseID + "}" }
func reportedKey(caseID string) string { return "symbolon:reported:{" + caseID + "}" }
func ms(t time.Time) string            { return strconv.FormatInt(t.UnixMilli(), 10) }
func keepFor(d time.Duration) string   { return strconv.FormatInt(d.Milliseconds(), 10) }
func binary(b []byte) string           { return base64.RawStdEncoding.EncodeToString(b) }
func score(t time.Time) float64        { return float64(t.UnixMilli()) }
func failed(step string, e error) error {
	return handoff.ErrUnavailable.Because(fmt.Errorf("%s: %w", step, e))
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return failed("ping", err)
	}
	return nil
}

// Create keeps a new offer. The hash comes last: until then its codes lead nowhere.
func (s *Store) Create(ctx context.Context, r handoff.Record, keep time.Duration) (bool, error) {
	for _, key := range []string{locatorKey(r.Locator), textKey(r.TextIndex)} {
		err := s.client.SetArgs(ctx, key, r.ID, redis.SetArgs{Mode: "NX", TTL: keep}).Err()
		if errors.Is(err, redis.Nil) {
			return false, nil
		}
		if err != nil {
			return false, failed("create", err)
		}
	}
	if err := s.lookAt(ctx, r.ID, r.ExpiresAt); err != nil {
		return false, err
	}
	fields, err := toFields(r)
	if err != nil {
		return false, err
	}
	kept, err := createScript.Run(ctx, s.client, []string{handoffKey(r.ID)}, append([]any{keepFor(keep)}, fields...)...).Int()
	if err != nil {
		return false, failed("create", err)
	}
	return kept == 1, nil
}

// lookAt makes Due list id from `at` on, or earlier if it was to be listed earlier.
func (s *Store) lookAt(ctx context.Context, id string, at time.Time) error {
	if err := s.client.ZAddLT(ctx, deadlines, redis.Z{Score: score(at), Member: id}).Err(); err != nil {
		return failed("deadline", err)
	}
	return nil
}

// Load returns a record.
func (s *Store) Load(ctx context.Context, id string) (handoff.Record, bool, error) {
	fields, err := s.client.HGetAll(ctx, handoffKey(id)).Result()
	if err != nil {
		return handoff.Record{}, false, failed("load", err)
	}
	if len(fields) == 0 {
		return handoff.Record{}, false, nil
	}
	r, err := fromFields(id, fields)
	return r, err == nil, err
}

// ByLocator finds a handoff from a scanned code.
func (s *Store) ByLocator(ctx context.Context, locator string) (string, error) {
	return s.find(ctx, locatorKey(locator))
}

// ByText finds a handoff from a typed code.
func (s *Store) ByText(ctx context.Context, index string) (string, error) {
	return s.find(ctx, textKey(index))
}

func (s *Store) find(ctx context.Context, key string) (string, error) {
	id, err := s.client.Get(ctx, key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", failed("find", err)
	}
	return id, nil
}

// Point makes a handoff the newest of its case.
func (s *Store) Point(ctx context.Context, caseID, id string, epoch int64, keep time.Duration) (string, bool, error) {
	reply, err := pointScript.Run(ctx, s.client, []string{caseKey(caseID)}, id, epoch, keepFor(keep)).Slice()
	if err != nil {
		return "", false, failed("point", err)
	}
	done, _ := reply[0].(int64)
	former, _ := reply[1].(string)
	return former, done == 1, nil
}

// Pointed returns the newest handoff of a case.
func (s *Store) Pointed(ctx context.Context, caseID string) (string, error) {
	id, err := s.client.HGet(ctx, caseKey(caseID), "id").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", failed("pointed", err)
	}
	return id, nil
}

// Open notes that a phone looks.
func (s *Store) Open(ctx context.Context, id string, picture int, until, now time.Time) (handoff.Outcome, handoff.Record, error) {
	return s.step(ctx, openScript, "open", id, ms(now), picture, ms(until))
}

// Claim gives the offer to one phone.
func (s *Store) Claim(ctx context.Context, id string, c handoff.ClaimStep) (handoff.Outcome, handoff.Record, error) {
	if err := s.lookAt(ctx, id, c.ExpiresAt); err != nil {
		return "", handoff.Record{}, err
	}
	fresh := "0"
	if c.Fresh {
		fresh = "1"
	}
	return s.step(ctx, claimScript, "claim", id, ms(c.Now), fresh, ms(c.ExpiresAt), ms(c.AbsoluteAt), binary(c.Phone), c.Key,
		ms(c.RepeatAfter), binary(c.Number), c.NumberMAC, binary(c.Alert), handoff.MaxAlerts)
}

// Match compares a typed number.
func (s *Store) Match(ctx context.Context, id string, m handoff.MatchStep) (handoff.Outcome, handoff.Record, error) {
	if err := s.lookAt(ctx, id, m.Lease); err != nil {
		return "", handoff.Record{}, err
	}
	return s.step(ctx, matchScript, "match", id, ms(m.Now), m.MAC, ms(m.IdleAt), binary(m.NewNumber), m.NewMAC,
		handoff.MaxWrong, keepFor(handoff.KeepEndedFor), ms(m.Lease))
}

// Seen notes a sign of the phone.
func (s *Store) Seen(ctx context.Context, id string, idleAt, now time.Time) (handoff.Outcome, handoff.Record, error) {
	return s.step(ctx, seenScript, "seen", id, ms(now), ms(idleAt), ms(now.Add(-handoff.SeenEvery)))
}

// End ends a live handoff.
func (s *Store) End(ctx context.Context, id string, e handoff.EndStep) (handoff.Outcome, handoff.Record, error) {
	if err := s.lookAt(ctx, id, e.Lease); err != nil {
		return "", handoff.Record{}, err
	}
	args := []any{ms(e.Now), string(e.To), e.By, keepFor(handoff.KeepEndedFor), ms(e.Lease)}
	for _, from := range e.From {
		args = append(args, string(from))
	}
	return s.step(ctx, endScript, "end", id, args...)
}

// Report turns a deny into a report.
func (s *Store) Report(ctx context.Context, id, by string, since, now, lease time.Time) (handoff.Outcome, handoff.Record, error) {
	if err := s.lookAt(ctx, id, lease); err != nil {
		return "", handoff.Record{}, err
	}
	return s.step(ctx, reportScript, "report", id, by, ms(since), keepFor(handoff.KeepEndedFor), ms(lease))
}

// Due lists handoffs to look at.
func (s *Store) Due(ctx context.Context, now time.Time, n int) ([]string, error) {
	ids, err := s.client.ZRangeByScore(ctx, deadlines, &redis.ZRangeBy{Min: "-inf", Max: ms(now), Count: int64(n)}).Result()
	if err != nil {
		return nil, failed("due", err)
	}
	return ids, nil
}

// Sweep looks at one handoff.
func (s *Store) Sweep(ctx context.Context, id string, now, lease time.Time) (handoff.Outcome, handoff.Record, error) {
	reply, err := sweepScript.Run(ctx, s.client, []string{handoffKey(id)}, ms(now), ms(lease), keepFor(handoff.KeepEndedFor)).Slice()
	if err != nil {
		return "", handoff.Record{}, failed("sweep", err)
	}
	outcome, r, err := read(id, reply)
	if err != nil {
		return "", handoff.Record{}, err
	}
	switch outcome {
	case handoff.OutUnknown, handoff.OutTold:
		err = s.client.ZRem(ctx, deadlines, id).Err()
	default:
		again, _ := reply[2].(string)
		at, perr := strconv.ParseFloat(again, 64)
		if perr != nil {
			return "", handoff.Record{}, failed("sweep", perr)
		}
		err = s.client.ZAdd(ctx, deadlines, redis.Z{Score: at, Member: id}).Err()
	}
	if err != nil && outcome != handoff.OutEnded && outcome != handoff.OutAgain {
		// With these two the caller has work to do, and a look too many does no harm.
		return "", handoff.Record{}, failed("sweep", err)
	}
	return outcome, r, nil
}

// Told notes that an end has been announced.
func (s *Store) Told(ctx context.Context, id string, state handoff.State) error {
	noted, err := toldScript.Run(ctx, s.client, []string{handoffKey(id)}, string(state)).Int()
	if err != nil {
		return failed("told", err)
	}
	if noted == 0 {
		return nil // ended again as something else since: that is announced by whoever did it
	}
	if err := s.client.ZRem(ctx, deadlines, id).Err(); err != nil {
		return failed("told", err)
	}
	return nil
}

// NoteLock remembers a lock.
func (s *Store) NoteLock(ctx context.Context, caseID, id string, at time.Time) error {
	key, keep := locksKey(caseID), handoff.LockWindow+handoff.LockPause
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAddNX(ctx, key, redis.Z{Score: score(at), Member: id})
		p.ZRemRangeByScore(ctx, key, "-inf", "("+ms(at.Add(-keep)))
		p.PExpire(ctx, key, keep)
		return nil
	})
	if err != nil {
		return failed("note lock", err)
	}
	return nil
}

// NoteReport remembers a report.
func (s *Store) NoteReport(ctx context.Context, caseID string, keep time.Duration) error {
	if err := s.client.Set(ctx, reportedKey(caseID), "1", keep).Err(); err != nil {
		return failed("note report", err)
	}
	return nil
}

// Trouble returns the locks and the report of a case.
func (s *Store) Trouble(ctx context.Context, caseID string, since time.Time) ([]time.Time, bool, error) {
	found, err := s.client.ZRangeByScoreWithScores(ctx, locksKey(caseID), &redis.ZRangeBy{Min: ms(since), Max: "+inf"}).Result()
	if err != nil {
		return nil, false, failed("trouble", err)
	}
	var locks []time.Time
	for _, z := range found {
		locks = append(locks, time.UnixMilli(int64(z.Score)).UTC())
	}
	n, err := s.client.Exists(ctx, reportedKey(caseID)).Result()
	if err != nil {
		return nil, false, failed("trouble", err)
	}
	return locks, n == 1, nil
}

// ClearReport forgets a report.
func (s *Store) ClearReport(ctx context.Context, caseID string) error {
	if err := s.client.Del(ctx, reportedKey(caseID)).Err(); err != nil {
		return failed("clear report", err)
	}
	return nil
}

// step runs a script that replies {code, record}.
func (s *Store) step(ctx context.Context, sc *redis.Script, name, id string, args ...any) (handoff.Outcome, handoff.Record, error) {
	reply, err := sc.Run(ctx, s.client, []string{handoffKey(id)}, args...).Slice()
	if err != nil {
		return "", handoff.Record{}, failed(name, err)
	}
	return read(id, reply)
}

// read reads a reply {code, record, …}.
func read(id string, reply []any) (handoff.Outcome, handoff.Record, error) {
	if len(reply) < 2 {
		return "", handoff.Record{}, errors.New("handoffredis: short reply")
	}
	code, _ := reply[0].(string)
	flat, _ := reply[1].([]any)
	if len(flat) == 0 {
		return handoff.OutUnknown, handoff.Record{}, nil
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		value, _ := flat[i+1].(string)
		fields[name] = value
	}
	r, err := fromFields(id, fields)
	return handoff.Outcome(code), r, err
}

// toFields writes a new record as field, value, field, value, ….
func toFields(r handoff.Record) ([]any, error) {
	steps, err := json.Marshal(r.Steps)
	if err != nil {
		return nil, fmt.Errorf("handoffredis: %w", err)
	}
	return []any{
		"case", r.CaseID, "account", r.AccountID, "session", r.SessionID,
		"epoch", strconv.FormatInt(r.Epoch, 10), "state", string(r.State),
		"steps", string(steps), "provider", r.Provider,
		"locator", r.Locator, "text_index", r.TextIndex, "offer_key", binary(r.OfferKey),
		"desk", binary(r.Desk), "desk_network", r.DeskNetwork,
		"offered_at", ms(r.OfferedAt), "expires_at", ms(r.ExpiresAt),
	}, nil
}

const (
	untilPrefix = "until:"
	alertPrefix = "alert:"
)

// fromFields reads a record. What does not read means that something else wrote it.
func fromFields(id string, f map[string]string) (handoff.Record, error) {
	var bad []string
	number := func(name string) int64 {
		if f[name] == "" {
			return 0
		}
		n, err := strconv.ParseInt(f[name], 10, 64)
		if err != nil {
			bad = append(bad, name)
		}
		return n
	}
	when := func(name string) time.Time {
		if f[name] == "" {
			return time.Time{}
		}
		return time.UnixMilli(number(name)).UTC()
	}
	bytes := func(name string) []byte {
		if f[name] == "" {
			return nil
		}
		b, err := base64.RawStdEncoding.DecodeString(f[name])
		if err != nil {
			bad = append(bad, name)
		}
		return b
	}
	r := handoff.Record{
		ID: id, CaseID: f["case"], AccountID: f["account"], SessionID: f["session"],
		Epoch: number("epoch"), State: handoff.State(f["state"]), Provider: f["provider"],
		Locator: f["locator"], TextIndex: f["text_index"], OfferKey: bytes("offer_key"),
		Desk: bytes("desk"), DeskNetwork: f["desk_network"],
		Phone: bytes("phone"), ClaimKey: f["claim_key"], Number: bytes("number"), NumberMAC: f["number_mac"],
		WrongNumbers: int(number("wrong")), Opened: f["opened"] == "1",
		OfferedAt: when("offered_at"), ClaimedAt: when("claimed_at"), ActiveAt: when("active_at"),
		EndedAt: when("ended_at"), SeenAt: when("seen_at"), ExpiresAt: when("expires_at"), AbsoluteAt: when("absolute_at"),
		DeniedBy: f["denied_by"],
	}
	if err := json.Unmarshal([]byte(f["steps"]), &r.Steps); err != nil {
		bad = append(bad, "steps")
	}
	for name := range f {
		if n, ok := strings.CutPrefix(name, untilPrefix); ok {
			picture, err := strconv.Atoi(n)
			if err != nil {
				bad = append(bad, name)
				continue
			}
			if r.OpenedUntil == nil {
				r.OpenedUntil = map[int]time.Time{}
			}
			r.OpenedUntil[picture] = when(name)
		}
	}
	for i := range number("alerts") {
		r.Alerts = append(r.Alerts, bytes(alertPrefix+strconv.FormatInt(i, 10)))
	}
	if len(bad) > 0 {
		return handoff.Record{}, fmt.Errorf("handoffredis: a handoff does not read: %s", strings.Join(bad, ", "))
	}
	return r, nil
}
