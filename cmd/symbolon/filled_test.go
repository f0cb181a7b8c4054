package main

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/checks/checkstest"
	"github.com/symbolon/symbolon/media"
)

// Personal values that the filled folder holds, sealed.
const (
	personEmail    = "zhang.san@example.com"
	personPassword = "a rather long password"
	personName     = "张三丰"
	personNumber   = "11010519491231002X"
	personBirth    = "1949-12-31"
	personAddress  = "北京市朝阳区建国路 88 号"
)

// filled is a data folder of a server that was used and stopped: one applicant who reached Level 1 and kept the
// photos for Level 2, of which a reviewer saw one, and one applicant who only began.
type filled struct {
	data    string
	caseID  string
	begun   string // the case that was only begun
	account string
	uploads []string // the kept photos
}

// model is the folder that newFilled copies.
var model filled

// newFilled is such a folder of the test's own. The program made it, once for all tests.
func newFilled(t *testing.T) filled {
	t.Helper()
	if model.data == "" {
		dir, err := os.MkdirTemp("", "symbolon-filled")
		must(t, err)
		model = fill(t, filled{data: filepath.Join(dir, "data")})
	}
	return model.copied(t)
}

func fill(t *testing.T, f filled) filled {
	t.Helper()
	p := f.program(t)
	defer f.stop(t, p)
	ctx := t.Context()
	person, err := p.cases.SignUp(ctx, personEmail, personPassword)
	must(t, err)
	c, err := p.cases.Create(ctx, person, cases.Person)
	must(t, err)
	c = casetest.Agree(t, p.cases, c)
	f.caseID, f.account = c.ID, person.ID
	by := cases.Actor{Kind: cases.ByApplicant, ID: person.ID}
	c, err = p.cases.PutIdentity(ctx, by, c.ID, c.Version, cases.Identity{
		Nationality: "CHN", Name: personName, BirthDate: personBirth, Sex: "female", Address: personAddress,
		Document:  cases.DocumentFacts{Type: cases.CNResidentID, Number: personNumber, ExpiresOn: cases.LongTerm},
		ActingFor: cases.ActingFor{Who: "self"},
	})
	must(t, err)
	_, err = p.cases.Submit(ctx, by, c.ID, 1, c.Version)
	must(t, err)
	work(t, p)
	for _, step := range []string{cases.DocumentFront, cases.DocumentBack} {
		f.uploads = append(f.uploads, upload(t, p, by, c.ID, step, picture(step)))
	}
	for range 3 {
		must(t, p.cases.Look(ctx, c.ID, cases.Actor{Kind: cases.ByStaff, ID: "acc_reviewer"}, "media", cases.MediaID(f.uploads[0])))
	}
	second, err := p.cases.SignUp(ctx, "second@example.com", personPassword)
	must(t, err)
	c, err = p.cases.Create(ctx, second, cases.Person)
	must(t, err)
	f.begun = c.ID
	work(t, p)
	return f
}

// program builds the whole server on the folder; nobody is answered.
func (f filled) program(t *testing.T, more ...string) *program {
	t.Helper()
	c, err := readConfig("serve", append([]string{"--listen", "127.0.0.1:0", "--data", f.data}, more...), nil, io.Discard)
	must(t, err)
	p, err := build(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	return p
}

func (f filled) stop(t *testing.T, p *program) {
	t.Helper()
	must(t, p.close())
}

// db opens the file of cases as somebody would who goes around the program.
func (f filled) db(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(f.data, "cases.db"))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// copied returns a copy of the folder, to spoil.
func (f filled) copied(t *testing.T) filled {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(to, os.DirFS(f.data)))
	must(t, filepath.WalkDir(to, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(name, 0o600)
		}
		return err
	}))
	f.data = to
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// work does everything that is due; a job may queue another one.
func work(t *testing.T, p *program) {
	t.Helper()
	for range 4 {
		must(t, p.cases.Work(t.Context()))
	}
}

// upload sends a photo for a step and keeps it.
func upload(t *testing.T, p *program, by cases.Actor, caseID, step string, b []byte) string {
	t.Helper()
	ctx := t.Context()
	id := "upl_" + ulid.Make().String()
	take, limits, err := p.cases.BeginTake(ctx, by, caseID, cases.TakeRequest{UploadID: id, Step: step, Channel: "desk", Owner: "ses_1", Length: int64(len(b))})
	must(t, err)
	_, err = p.media.Create(ctx, media.Info{
		ID: id, CaseID: caseID, Step: step, Owner: "ses_1", MaxBytes: limits.MaxBytes, CreatedAt: time.Now(), ExpiresAt: take.ExpiresAt,
	}, int64(len(b)))
	must(t, err)
	_, err = p.media.Append(ctx, id, media.AppendRequest{Body: bytes.NewReader(b), Length: -1})
	must(t, err)
	_, err = p.cases.Accept(ctx, by, caseID, step, id)
	must(t, err)
	return id
}

// picture is a good photo of a side of a card that is unlike every other one.
func picture(step string) []byte {
	d := checkstest.Document{Side: checkstest.Front, Seed: rand.Uint64()}
	if step == cases.DocumentBack {
		d.Side = checkstest.Back
	}
	return checkstest.Evidence(d)
}

// command runs a command on the folder, with variables of the environment.
func (f filled) command(t *testing.T, env []string, args ...string) (status int, out, errs string) {
	t.Helper()
	return f.commandContext(t.Context(), env, args...)
}

func (f filled) commandContext(ctx context.Context, env []string, args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = run(ctx, append(args, "--data", f.data), stdio{strings.NewReader(""), &o, &e, env})
	return status, o.String(), e.String()
}
