package cases

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DossierSchema is the version of the form of a Dossier.
const DossierSchema = 1

// Dossier is everything that a case was decided by, opened: for whoever has to judge the decision later, without this
// server.
type Dossier struct {
	Schema     int                  `json:"schema"`
	CaseID     string               `json:"case"`
	Kind       Kind                 `json:"kind"`
	State      LevelState           `json:"state"`
	Level      int                  `json:"level"`
	Version    int64                `json:"version"`
	CreatedAt  time.Time            `json:"created_at"`
	Policy     string               `json:"policy"` // version in force when the dossier was made; the history names others
	Script     string               `json:"script"`
	Identity   *Identity            `json:"identity"`
	Readings   map[string]Reading   `json:"readings"` // by step
	Levels     []Level              `json:"levels"`
	Steps      []Step               `json:"steps"`
	Challenges []Challenge          `json:"challenges"`
	Consents   []Consent            `json:"consents"`
	Objections []DossierObjection   `json:"objections"`
	Notes      map[string]StaffNote `json:"notes"`  // of people who work here, by the number of the history entry
	People     map[string]string    `json:"people"` // who they are: e-mail addresses by id
	Head       HistoryHead          `json:"history_head"`

	History []Entry        `json:"-"`
	Looks   []Look         `json:"-"`
	Media   []DossierMedia `json:"-"`
}

// DossierObjection is what the applicant said against a refusal.
type DossierObjection struct {
	Level int       `json:"level"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
}

// DossierMedia is one piece of evidence.
type DossierMedia struct {
	Step     string
	Role     string // "" for the take itself, else of its part
	MediaID  string
	UploadID string
	Filetype string
	Size     int64
	SHA256   []byte
}

// Dossier gathers a case; ErrUnknown.
func (s *Service) Dossier(ctx context.Context, id string) (Dossier, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Dossier{}, err
	}
	d := Dossier{
		Schema: DossierSchema, CaseID: c.ID, Kind: c.Kind, State: c.State, Level: c.Level, Version: c.Version, CreatedAt: c.CreatedAt,
		Policy: s.cfg.Policy.Version, Script: s.cfg.Script.Version, Identity: c.Facts, Readings: map[string]Reading{}, Levels: c.Levels,
		Steps: c.Steps, Challenges: c.Challenges, Consents: c.Consents, Objections: []DossierObjection{}, Notes: map[string]StaffNote{},
		People: map[string]string{}, History: []Entry{}, Looks: []Look{},
	}
	read, err := s.Readings(c)
	if err != nil {
		return Dossier{}, err
	}
	for _, r := range read {
		d.Readings[r.Step] = r
	}
	for _, l := range c.Levels {
		text, at, ok, err := s.Objection(c, l.Level)
		if err != nil {
			return Dossier{}, err
		}
		if ok {
			d.Objections = append(d.Objections, DossierObjection{l.Level, at, text})
		}
	}
	for after := int64(0); ; {
		page, err := s.Events(ctx, id, after, auditPage)
		if err != nil {
			return Dossier{}, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			n, err := s.NoteOf(c, e)
			if err != nil {
				return Dossier{}, err
			}
			if n.Text != "" || n.Reasons != nil {
				d.Notes[fmt.Sprint(e.N)] = n
			}
			if err := s.person(ctx, d.People, e.Actor); err != nil {
				return Dossier{}, err
			}
			d.Head = HistoryHead{N: e.N, Hash: e.Hash}
			after = e.N
		}
		d.History = append(d.History, page...)
	}
	err = s.EachLook(ctx, id, func(l Look) { d.Looks = append(d.Looks, l) })
	if err != nil {
		return Dossier{}, err
	}
	for _, l := range d.Looks {
		if err := s.person(ctx, d.People, l.Actor); err != nil {
			return Dossier{}, err
		}
	}
	for i := range d.Steps {
		for j, t := range d.Steps[i].Takes {
			if t.State != TakeAccepted {
				continue
			}
			if t.Face != nil { // its template is sealed, and of no use to anybody else
				face := *t.Face
				face.Template = nil
				d.Steps[i].Takes[j].Face = &face
			}
			d.Media = append(d.Media, DossierMedia{d.Steps[i].ID, "", t.MediaID, t.UploadID, t.Filetype, t.Size, t.SHA256})
			for _, p := range t.Parts {
				d.Media = append(d.Media, DossierMedia{d.Steps[i].ID, p.Role, p.MediaID, p.UploadID, p.Filetype, p.Size, p.SHA256})
			}
		}
	}
	return d, nil
}

// person notes who an actor of staff is.
func (s *Service) person(ctx context.Context, people map[string]string, a Actor) error {
	if _, known := people[a.ID]; known || a.Kind != ByStaff {
		return nil
	}
	who, err := s.Account(ctx, a.ID)
	if err != nil && !errors.Is(err, ErrAccountUnknown) { // the operator at the command line has none
		return err
	}
	people[a.ID] = who.Email
	return nil
}

// OpenEvidence opens the stored bytes of a medium of a dossier.
func (s *Service) OpenEvidence(ctx context.Context, uploadID string) (Evidence, error) {
	return s.cfg.Evidence(ctx, uploadID)
}

// VerifyLooks checks that looks, from the first on, are an unbroken chain.
func VerifyLooks(looks []Look) error {
	var prev []byte
	for i, l := range looks {
		if l.N != int64(i)+1 || string(l.Prev) != string(prev) || string(l.Hash) != string(l.digest()) {
			return fmt.Errorf("%w at look %d", ErrHistoryBroken, i+1)
		}
		prev = l.Hash
	}
	return nil
}

// ScriptFile returns the script that recordings follow.
func (s *Service) ScriptFile() ScriptFile { return s.cfg.Script }
