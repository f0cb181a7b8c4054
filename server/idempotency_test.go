package server_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/server/servertest"
)

func TestARepeatedCreationIsAnsweredTheSame(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	create := func(key string, body map[string]any) *servertest.Answer {
		return p.Do("POST", "/v1/cases", body, "Idempotency-Key", key)
	}
	person := map[string]any{"kind": "person"}
	first := create("a", person).Want(t, 201)
	again := create("a", person).Want(t, 201)
	if string(first.Body) != string(again.Body) || again.Header.Get("Location") != first.Header.Get("Location") || again.Header.Get("ETag") == "" {
		t.Errorf("first  %v %s\nagain %v %s", first.Header, first.Body, again.Header, again.Body)
	}
	create("a", map[string]any{"kind": "business"}).Want(t, 422, "idempotency_key_reused")
	create("b", person).Want(t, 409, "case_exists")
	s.Clock.Advance(24*time.Hour + time.Minute)
	p.SignIn()
	create("a", person).Want(t, 409, "case_exists")
}

func TestKeysBelongToWhoeverUsedThemAndWhere(t *testing.T) {
	s := servertest.Start(t)
	p, q := s.Person(t), s.Person(t)
	steps := map[string]any{"steps": []string{"document_front"}}
	offer := func(c *servertest.Client, caseID string) *servertest.Answer {
		return c.Do("POST", "/v1/cases/"+caseID+"/handoffs", steps, "Idempotency-Key", "same")
	}
	mine := offer(p, p.CaseID).Want(t, 201)
	theirs := offer(q, q.CaseID).Want(t, 201)
	if mine.String("id") == theirs.String("id") {
		t.Error("one person got the other's handoff")
	}
	offer(q, p.CaseID).Want(t, 404)
	// Another session of the same account must not get the codes that way.
	other := p.Other()
	if a := offer(other, p.CaseID).Want(t, 201); a.String("id") == mine.String("id") || a.String("text_code") == mine.String("text_code") {
		t.Errorf("another session got %s", a.Body)
	}
}

func TestAnswersWithTokensAreKeptForTwoMinutes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	program := s.NewProgram(t)
	body := map[string]any{"email": p.Email, "password": p.Password}
	token := func() string {
		return program.Do("POST", "/v1/tokens", body, "Idempotency-Key", "t").Want(t, 201).String("token")
	}
	first := token()
	if token() != first {
		t.Error("a repetition got another token")
	}
	if strings.Contains(s.Redis.Dump(), first) || strings.Contains(s.Redis.Dump(), p.Password) || strings.Contains(s.Redis.Dump(), p.Email) {
		t.Error("the kept answer is readable")
	}
	// With another password the key is another request.
	program.Do("POST", "/v1/tokens", map[string]any{"email": p.Email, "password": "wrong"}, "Idempotency-Key", "t").Want(t, 422, "idempotency_key_reused")
	s.Clock.Advance(121 * time.Second)
	if token() == first {
		t.Error("the token was kept for longer")
	}
}

func TestFailuresAreNotRemembered(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	submit := func() *servertest.Answer {
		return p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version(), "Idempotency-Key", "s")
	}
	submit().Want(t, 409, "steps_incomplete")
	p.Keep("document_front", 1)
	p.Keep("document_back", 2)
	submit().Want(t, 202)
}

func TestTheSameKeyAtOnceRunsOnce(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	var wait sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]bool{}
	for range 8 {
		wait.Go(func() {
			a := p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, "Idempotency-Key", "once")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.Status == 201:
				ids[a.String("id")] = true
			case a.Code() != "idempotency_in_progress":
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
	wait.Wait()
	if len(ids) != 1 {
		t.Errorf("%d handoffs were made", len(ids))
	}
}

func TestKeysHaveAForm(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	for _, key := range []string{"", strings.Repeat("k", 65), "two words", "umläut"} {
		p.Do("POST", "/v1/cases", map[string]any{"kind": "person"}, "Idempotency-Key", key).Want(t, 400, "idempotency_key_invalid")
	}
	p.Do("POST", "/v1/cases", map[string]any{"kind": "person"}, "Idempotency-Key", strings.Repeat("k", 64)).Want(t, 201)
}
