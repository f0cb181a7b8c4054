package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
)

// stored kills the server once more and looks, without it, for what must be on disk: the facts and
// every photo byte for byte for whoever has the operator's key, and none of it for anybody else.
func (p *person) stored() {
	p.Helper()
	id := p.theCase().ID
	number := p.handoffURL[strings.Index(p.handoffURL, "#c=")+len("#c="):]
	p.server.kill()
	p.sealed(number)

	c, photos := p.openStored(id)
	ctx := p.Context()
	if c.Facts == nil || c.Facts.Name != "张伟" || c.Facts.Document.Number != residentID || c.Facts.Document.ExpiresOn != "long_term" ||
		c.Facts.BirthDate != "1949-12-31" || c.Facts.Address != "样本省样本市样本路 1 号" {
		p.Errorf("the stored facts are %+v", c.Facts)
	}

	found := 0
	for _, step := range c.Steps {
		for _, take := range step.Takes {
			if take.State != cases.TakeAccepted {
				p.Errorf("%s keeps a take that is %s", step.ID, take.State)
				continue
			}
			found++
			o, err := photos.Open(ctx, take.UploadID)
			if err != nil {
				p.Fatalf("%s: %v", step.ID, err)
			}
			got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
			_ = o.Close()
			want := p.photos[step.ID]
			sum := sha256.Sum256(want)
			if err != nil || !bytes.Equal(got, want) || !bytes.Equal(take.SHA256, sum[:]) {
				p.Errorf("%s: %d bytes are stored, %v; the phone sent %d others", step.ID, len(got), err, len(want))
			}
		}
	}
	if found != len(p.photos) || found != 2 {
		p.Errorf("%d photos are stored, %d were sent", found, len(p.photos))
	}
}

// openStored opens what a killed server left, with the operator's key.
func (p *person) openStored(id string) (cases.Case, *media.Service) {
	p.Helper()
	ctx, dir := p.Context(), p.server.data
	written, err := os.ReadFile(filepath.Join(dir, "operator.key"))
	if err != nil {
		p.Fatal(err)
	}
	key, err := seal.ParseKey(string(written))
	if err != nil {
		p.Fatal(err)
	}
	backend, err := casesqlite.Open(ctx, filepath.Join(dir, "cases.db"))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = backend.Close() })
	people, err := cases.New(ctx, cases.Config{Store: backend, History: backend, Accounts: backend, Keys: seal.NewKeyring(key)})
	if err != nil {
		p.Fatal(err)
	}
	c, err := people.Get(ctx, id)
	if err != nil {
		p.Fatal(err)
	}
	files, err := mediafs.Open(filepath.Join(dir, "media"))
	if err != nil {
		p.Fatal(err)
	}
	photos, err := media.New(media.Config{
		Store: files, Key: people.Key, Completed: func(context.Context, media.Status) error { return nil },
	})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = photos.Close() })
	return c, photos
}

// sealed reads every file of the data folder as a thief would.
func (p *person) sealed(code string) {
	p.Helper()
	secrets := map[string][]byte{
		"the ID number": []byte(residentID), "the name": []byte("张伟"), "the address": []byte("样本路"),
		"the e-mail address": []byte(p.email), "the password": []byte(password), "the code's secret": []byte(code[strings.Index(code, ".")+1:]),
	}
	for step, photo := range p.photos {
		middle := photo[len(photo)/2:][:32]
		secrets["bytes of "+step] = middle
		secrets["bytes of "+step+" in base64"] = []byte(base64.StdEncoding.EncodeToString(middle[:30]))
		secrets["bytes of "+step+" in hex"] = []byte(hex.EncodeToString(middle))
	}
	files := 0
	err := filepath.WalkDir(p.server.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for what, secret := range secrets {
			if bytes.Contains(content, secret) {
				p.Errorf("%s holds %s in the clear", path, what)
			}
		}
		return nil
	})
	if err != nil || files < 4 {
		p.Errorf("read %d files: %v", files, err)
	}
	log := p.server.log.String()
	for what, secret := range secrets {
		if strings.Contains(log, string(secret)) {
			p.Errorf("the log holds %s", what)
		}
	}
}
