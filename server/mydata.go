package server

import (
	"archive/zip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/sessions"
)

// heldView is one sort of data that is held of an applicant.
type heldView struct {
	Data  string `json:"data"`
	Items int    `json:"items"`
}

type keepingView struct {
	Rule  string     `json:"rule"`
	Until *time.Time `json:"until"`
	Days  int        `json:"days,omitempty"`
	Years int        `json:"years,omitempty"`
}

func (s *Server) keepingOf(own cases.Case) keepingView {
	k := s.cfg.Cases.Keeping(own)
	return keepingView{k.Rule, when(k.Until), k.Days, k.Years}
}

type dataView struct {
	Held         []heldView  `json:"held"`
	Keeping      keepingView `json:"keeping"`
	RestrictedAt *time.Time  `json:"restricted_at"`
}

// held counts what is held of a case, by what it is.
func held(own cases.Case) []heldView {
	n := map[string]int{"account": 1, "history": int(own.History.N), "objections": len(own.Objections)}
	if own.Facts != nil {
		n["identity"] = 1
	}
	if own.Draft != nil {
		n["draft"] = 1
	}
	count := func(steps []cases.Step, as func(cases.Step) string) {
		for _, st := range steps {
			n[as(st)] += len(st.Takes)
		}
	}
	count(own.Steps, func(st cases.Step) string { return st.Kind })
	n["readings"] = len(own.Readings)
	for _, old := range own.Superseded {
		count(old.Steps, func(cases.Step) string { return "earlier" })
		if old.Identity != nil {
			n["earlier"]++
		}
	}
	out := []heldView{}
	for _, data := range []string{"account", "identity", "draft", "photo", "readings", "face", "clip", "objections", "earlier", "history"} {
		if n[data] > 0 {
			out = append(out, heldView{data, n[data]})
		}
	}
	return out
}

// myData tells an applicant what is held of them, and until when.
func (s *Server) myData(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	own, err := s.caseFor(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return err
	}
	return c.JSON(dataView{held(own), s.keepingOf(own), when(own.RestrictedAt)})
}

// confirmedOwn is the case of an applicant whose password was given in this session lately.
func (s *Server) confirmedOwn(c *fiber.Ctx) (principal, cases.Case, error) {
	p, err := s.caller(c, applicant)
	if err != nil {
		return p, cases.Case{}, err
	}
	own, err := s.caseFor(c.UserContext(), p, param(c, "id"))
	if err == nil && !s.cfg.Sessions.Confirmed(p.session) {
		err = handoff.ErrConfirmFirst
	}
	return p, own, err
}

// copyView is the file data.json of a download: everything that stands in words and numbers.
type copyView struct {
	Operator   string             `json:"operator"`
	MadeAt     time.Time          `json:"made_at"`
	Account    accountView        `json:"account"`
	Case       caseView           `json:"case"`
	Identity   *cases.Identity    `json:"identity"`
	Draft      json.RawMessage    `json:"draft,omitempty"`
	Readings   []cases.Reading    `json:"readings"` // what was read on the photos
	Earlier    []cases.Identity   `json:"earlier"`  // what Level 1 stated when approvals lapsed
	Consents   []consentView      `json:"consents"`
	Objections []objectionView    `json:"objections"`
	Keeping    keepingView        `json:"keeping"`
	History    []eventView        `json:"history"`
	Files      map[string]sentOne `json:"files"`
}

type objectionView struct {
	Level int       `json:"level"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
}

// sentOne is a file of a download.
type sentOne struct {
	Step   string `json:"step"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	upload string
}

// downloadData streams everything that is held of an applicant, as far as it is theirs to see, as a ZIP archive.
func (s *Server) downloadData(c *fiber.Ctx) error {
	p, own, err := s.confirmedOwn(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	if err := s.cfg.Sessions.Allow(ctx, downloads, p.session.AccountID); err != nil {
		return err
	}
	if own, err = s.cfg.Cases.NoteDownload(ctx, p.actor(), own.ID); err != nil {
		return err
	}
	all, err := s.copyOf(ctx, p, own)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode an applicant's data: %w", err)
	}
	if err := s.cfg.Cases.Look(ctx, own.ID, p.actor(), "download", own.ID); err != nil {
		return err
	}
	// The archive is written while it is read, after the handler is over; who stops reading ends it.
	r, w := io.Pipe()
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), downloadFor)
	go func() {
		defer cancel()
		_ = w.CloseWithError(s.writeCopy(late, w, data, all.Files))
	}()
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="my-data.zip"`)
	c.Response().SetBodyStream(r, -1)
	return nil
}

// downloadFor is how long the download of everything may take.
const downloadFor = 15 * time.Minute

func (s *Server) writeCopy(ctx context.Context, w io.Writer, data []byte, files map[string]sentOne) error {
	z := zip.NewWriter(w)
	f, err := z.Create("data.json")
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := s.copyFile(ctx, z, name, files[name].upload); err != nil {
			return err
		}
	}
	return z.Close()
}

func (s *Server) copyFile(ctx context.Context, z *zip.Writer, name, upload string) error {
	o, err := s.cfg.Media.Open(ctx, upload)
	if errors.Is(err, media.ErrGone) || errors.Is(err, media.ErrUnknown) {
		return nil // destroyed meanwhile
	}
	if err != nil {
		return err
	}
	defer o.Close()
	f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // photos and films are compressed
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(o, 0, o.Size()))
	return err
}

// copyOf gathers what is held of an applicant.
func (s *Server) copyOf(ctx context.Context, p principal, own cases.Case) (copyView, error) {
	account, err := s.cfg.Cases.Account(ctx, own.AccountID)
	if err != nil {
		return copyView{}, err
	}
	seq, err := s.cfg.Hub.Next(ctx, own.ID)
	if err != nil {
		return copyView{}, err
	}
	view, err := s.viewOf(ctx, p, own, seq)
	if err != nil {
		return copyView{}, err
	}
	view.Handoff = nil // it holds the codes of an offer, which a file would outlive
	readings, err := s.cfg.Cases.Readings(own)
	if err != nil {
		return copyView{}, err
	}
	earlier, err := s.cfg.Cases.Earlier(own)
	if err != nil {
		return copyView{}, err
	}
	out := copyView{
		Operator: s.cfg.Operator.Name, MadeAt: s.cfg.Now().UTC(), Account: viewOfAccount(account), Case: view, Identity: own.Facts, Draft: own.Draft,
		Readings: list(readings), Earlier: list(earlier), Consents: []consentView{}, Objections: []objectionView{}, Keeping: s.keepingOf(own),
		History: []eventView{}, Files: map[string]sentOne{},
	}
	for _, a := range s.cfg.Cases.Consents(own) {
		out.Consents = append(out.Consents, s.consentOf(a))
	}
	for _, l := range own.Levels {
		text, at, ok, err := s.cfg.Cases.Objection(own, l.Level)
		if err != nil {
			return copyView{}, err
		}
		if ok {
			out.Objections = append(out.Objections, objectionView{l.Level, at.UTC(), text})
		}
	}
	for after := int64(0); ; {
		page, err := s.cfg.Cases.Events(ctx, own.ID, after, 200)
		if err != nil {
			return copyView{}, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if v, ok := told(e); ok {
				out.History = append(out.History, v)
			}
		}
		after = page[len(page)-1].N
	}
	addFiles(out.Files, "files/", own.Steps)
	for i, old := range own.Superseded {
		addFiles(out.Files, fmt.Sprintf("earlier/%d/", i+1), old.Steps)
	}
	return out, nil
}

// addFiles names the bytes that were taken for steps, and not what was made from them here.
func addFiles(files map[string]sentOne, folder string, steps []cases.Step) {
	add := func(name, step, filetype, upload string, size int64, digest []byte) {
		files[folder+name+extensions[filetype]] = sentOne{step, size, hex.EncodeToString(digest), upload}
	}
	for _, st := range steps {
		for i, t := range st.Takes {
			if t.State == cases.TakeOpen {
				continue
			}
			name := fmt.Sprintf("%s-%d", st.ID, i+1)
			add(name, st.ID, t.Filetype, t.UploadID, t.Size, t.SHA256)
			for j, part := range t.Parts {
				if part.Role == cases.PartFrame || part.Role == cases.PartStill {
					add(fmt.Sprintf("%s-%s-%d", name, part.Role, j+1), st.ID, part.Filetype, part.UploadID, part.Size, part.SHA256)
				}
			}
		}
	}
}

// extensions are the endings of files by their sniffed types.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "video/mp4": ".mp4", "video/webm": ".webm", "video/x-matroska": ".mkv", "application/json": ".json",
}

type erasureView struct {
	Outcome string       `json:"outcome"` // "erased" or "restricted"
	Account bool         `json:"account"` // the account went too
	Keeping *keepingView `json:"keeping"` // of what is restricted
}

// requestErasure erases the case on its applicant's word, or restricts it where the law makes the operator keep it.
func (s *Server) requestErasure(c *fiber.Ctx) error {
	p, own, err := s.confirmedOwn(c)
	if err != nil {
		return err
	}
	var in struct {
		Account bool `json:"account"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		ctx := c.UserContext()
		h, err := s.current(ctx, own.ID)
		if err == nil && h != nil && !h.State.Ended() {
			_, err = s.cfg.Handoffs.Cancel(ctx, h.ID)
		}
		if err != nil {
			return result{}, err
		}
		erased, err := s.cfg.Cases.RequestErasure(ctx, p.actor(), own.ID, in.Account)
		if err != nil {
			return result{}, err
		}
		if erased {
			r := result{status: http.StatusOK, body: erasureView{Outcome: "erased", Account: in.Account}}
			if in.Account {
				err = s.endSession(c, p.token)
			}
			if in.Account && p.byCookie {
				r.header = map[string]string{fiber.HeaderSetCookie: s.newCookie(c, sessions.Desk, "", 0)}
			}
			return r, err
		}
		if own, err = s.cfg.Cases.Get(ctx, own.ID); err != nil {
			return result{}, err
		}
		k := s.keepingOf(own)
		return result{status: http.StatusOK, body: erasureView{Outcome: "restricted", Keeping: &k}}, nil
	})
}

// object asks for another look at a refusal.
func (s *Server) object(c *fiber.Ctx) error {
	p, id, err := s.ownCase(c)
	if err != nil {
		return err
	}
	var in struct {
		Text string `json:"text"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		own, err := s.cfg.Cases.Object(c.UserContext(), p.actor(), id, in.Text)
		if err != nil {
			return result{}, err
		}
		return s.caseResult(c, p, own, http.StatusOK)
	})
}
