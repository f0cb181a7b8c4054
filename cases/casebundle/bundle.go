// Package casebundle writes the evidence of a case as one archive that its operator signed, and checks such an archive
// with nothing but the archive and, to know whose it is, the operator's public key.
//
// The form is docs/formats/bundle.md. Not one byte of an archive can be changed without being found: the entries by the digests
// of the manifest, the manifest by its signature and its one form, and all that stands between them because there is one way only
// to write it.
package casebundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

// kind is the kind of the signed paper that a manifest is.
const kind = "symbolon-bundle"

const (
	manifestName = "manifest.json"
	keyName      = "signer.pem"
	caseName     = "case.json"
	historyName  = "history.json"
	looksName    = "looks.json"
	maxManifest  = 4 << 20
	maxText      = 64 << 20 // of a file that is read as a whole
)

// manifest is the content of the signed paper.
type manifest struct {
	Schema   int       `json:"schema"`
	CaseID   string    `json:"case"`
	MadeAt   time.Time `json:"made_at"`
	Operator string    `json:"operator"`
	Policy   string    `json:"policy"`
	Script   string    `json:"script"`
	Files    []file    `json:"files"` // all others, in their order
}

type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Config says how bundles are made.
type Config struct {
	Cases    *cases.Service
	Key      seal.SigningKey
	Operator string
	Now      func() time.Time // time.Now where nil
}

// Write writes the bundle of a case. cases.ErrUnknown; any other error leaves half an archive behind, which verifies as none.
func Write(ctx context.Context, cfg Config, caseID string, w io.Writer) error {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d, err := cfg.Cases.Dossier(ctx, caseID)
	if err != nil {
		return err
	}
	m := manifest{
		Schema: 1, CaseID: caseID, MadeAt: cfg.Now().UTC().Truncate(time.Second), Operator: cfg.Operator, Policy: d.Policy, Script: d.Script, Files: []file{},
	}
	a := &archive{w: w}
	put := func(name string, b []byte) error {
		sum := sha256.Sum256(b)
		m.Files = append(m.Files, file{name, int64(len(b)), hex.EncodeToString(sum[:])})
		return a.addBytes(name, b)
	}
	texts, err := textsOf(cfg, d, m)
	if err != nil {
		return err
	}
	for _, t := range texts {
		if err := put(t.name, t.body); err != nil {
			return err
		}
	}
	for _, medium := range d.Media {
		f, err := addMedium(ctx, cfg, a, medium)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	if err := put(keyName, cfg.Key.Public().Encode()); err != nil {
		return err
	}
	paper, err := cfg.Key.Sign(kind, m)
	if err != nil {
		return err
	}
	if err := a.addBytes(manifestName, paper); err != nil {
		return err
	}
	return a.finish()
}

type text struct {
	name string
	body []byte
}

func textsOf(cfg Config, d cases.Dossier, m manifest) ([]text, error) {
	var out []text
	add := func(name string, v any) error {
		b, err := json.MarshalIndent(v, "", " ")
		out = append(out, text{name, append(b, '\n')})
		return err
	}
	script, err := yaml.Marshal(cfg.Cases.ScriptFile())
	if err != nil {
		return nil, fmt.Errorf("casebundle: encode the script: %w", err)
	}
	out = append(out, text{"README.txt", []byte(readme)}, text{"summary.pdf", summary(d, m)})
	err = errors.Join(add(caseName, d), add(historyName, d.History), add(looksName, d.Looks), add("reasons.json", cases.Reasons()))
	return append(out, text{"policy.yaml", cfg.Cases.Policy().File()}, text{"script.yaml", script}), err
}

const readme = `This archive holds the evidence of one case: what was stated and shown, what was checked, who looked and who decided.

summary.pdf    the case for people
case.json      everything that was stated, read, checked and decided
history.json   every event of the case, chained by hashes
looks.json     who looked at which evidence, chained by hashes
policy.yaml    what the operator asked for when this was made, script.yaml what recordings followed, reasons.json what codes mean
media/         photos and recordings, byte for byte as they were received
manifest.json  the digest of every file, signed by the operator; signer.pem checks the signature

Check it with:  symbolon bundle verify FILE --key OPERATOR.pub
Not one byte of it can be changed without being found.
`

var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "video/mp4": ".mp4", "video/webm": ".webm", "video/x-matroska": ".mkv", "application/json": ".json",
}

// addMedium copies stored bytes into the archive. They are read twice: a ZIP entry begins with its checksum.
func addMedium(ctx context.Context, cfg Config, a *archive, m cases.DossierMedia) (file, error) {
	e, err := cfg.Cases.OpenEvidence(ctx, m.UploadID)
	if err != nil {
		return file{}, fmt.Errorf("casebundle: open %s: %w", m.MediaID, err)
	}
	defer e.Close()
	crc, sum := crc32.NewIEEE(), sha256.New()
	size, err := io.Copy(io.MultiWriter(crc, sum), io.NewSectionReader(e, 0, e.Size()))
	if err != nil {
		return file{}, fmt.Errorf("casebundle: read %s: %w", m.MediaID, err)
	}
	if len(m.SHA256) > 0 && !bytes.Equal(sum.Sum(nil), m.SHA256) {
		return file{}, fmt.Errorf("casebundle: %s is not what the case knows", m.MediaID)
	}
	ext, ok := extensions[m.Filetype]
	if !ok {
		ext = ".bin"
	}
	f := file{"media/" + m.Step + "/" + m.MediaID + ext, size, hex.EncodeToString(sum.Sum(nil))}
	return f, a.add(entry{name: f.Name, size: size, crc: crc.Sum32()}, io.NewSectionReader(e, 0, e.Size()))
}

// Verified is what a bundle says that holds.
type Verified struct {
	CaseID   string
	MadeAt   time.Time
	Operator string
	Key      string // id of the key that signed it
	Trusted  bool   // the key is the one that the caller gave; else it came with the bundle and says nothing about whose it is
	Files    int
	Media    int
	Events   int
	Looks    int
}

// Verify checks a bundle: its form, the digest of every file, the signature, and the chains of the history and the access log. key
// is the operator's, nil to believe the one inside. ErrForm, seal.ErrSignature, cases.ErrHistoryBroken.
func Verify(r io.ReaderAt, size int64, key *seal.PublicKey) (Verified, error) {
	var seen []file
	kept := map[string][]byte{}
	err := readArchive(r, size, func(e entry, from io.Reader) error {
		if slices.ContainsFunc(seen, func(f file) bool { return f.Name == e.name }) || strings.Contains(e.name, "..") || strings.HasPrefix(e.name, "/") {
			return ErrForm
		}
		sum := sha256.New()
		w := io.Writer(sum)
		var b bytes.Buffer
		switch e.name {
		case manifestName, keyName, caseName, historyName, looksName:
			if e.size > maxText || e.name == manifestName && e.size > maxManifest {
				return ErrForm
			}
			w = io.MultiWriter(sum, &b)
		}
		if _, err := io.Copy(w, from); err != nil {
			return fmt.Errorf("casebundle: read: %w", err)
		}
		kept[e.name] = b.Bytes()
		seen = append(seen, file{e.name, e.size, hex.EncodeToString(sum.Sum(nil))})
		return nil
	})
	if err != nil {
		return Verified{}, err
	}
	if len(seen) == 0 || seen[len(seen)-1].Name != manifestName {
		return Verified{}, ErrForm
	}
	inside, err := seal.ParsePublicKey(kept[keyName])
	if err != nil || !bytes.Equal(inside.Encode(), kept[keyName]) {
		return Verified{}, ErrForm
	}
	if key != nil && key.ID() != inside.ID() {
		return Verified{}, fmt.Errorf("%w: it was signed with %s, not with %s", seal.ErrSignature, inside.ID(), key.ID())
	}
	var m manifest
	if err := inside.OpenExact(kind, kept[manifestName], &m); err != nil {
		return Verified{}, err
	}
	if m.Schema != 1 || !slices.Equal(m.Files, seen[:len(seen)-1]) {
		return Verified{}, ErrForm
	}
	v := Verified{CaseID: m.CaseID, MadeAt: m.MadeAt, Operator: m.Operator, Key: inside.ID(), Trusted: key != nil, Files: len(seen)}
	return v, v.chains(m, kept)
}

// chains checks that the history and the access log are unbroken and belong to the case.
func (v *Verified) chains(m manifest, kept map[string][]byte) error {
	var d cases.Dossier
	if err := errors.Join(json.Unmarshal(kept[caseName], &d), json.Unmarshal(kept[historyName], &d.History), json.Unmarshal(kept[looksName], &d.Looks)); err != nil {
		return ErrForm
	}
	if d.CaseID != m.CaseID {
		return ErrForm
	}
	if err := cases.VerifyHistory(d.History, d.Head); err != nil {
		return err
	}
	if err := cases.VerifyLooks(d.Looks); err != nil {
		return err
	}
	for _, f := range m.Files {
		if strings.HasPrefix(f.Name, "media/") {
			v.Media++
		}
	}
	v.Events, v.Looks = len(d.History), len(d.Looks)
	return nil
}
