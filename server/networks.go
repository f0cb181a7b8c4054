package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
)

// Networks are the files of the networks that recognise a face on the phone: the same that this server uses.
type Networks struct {
	Files fs.FS  // as package face has them; nil where there are none
	Model string // the embedder's name
	Hash  string // of its files
}

// networks are the files as they are served: under a name that changes with any of them.
type networks struct {
	base  string // "/assets/face/…/", empty where there are none
	files map[string]int64
	from  fs.FS
}

// manifest is the file that names the others; it is served, too.
const manifest = "manifest.json"

// loadNetworks lists what is served. The files stay where they are.
func loadNetworks(n Networks) (networks, error) {
	if n.Files == nil {
		return networks{}, nil
	}
	list, err := fs.ReadFile(n.Files, manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return networks{}, nil
	}
	if err != nil {
		return networks{}, err
	}
	sum := sha256.Sum256(list)
	out := networks{base: "/assets/face/" + hex.EncodeToString(sum[:8]) + "/", files: map[string]int64{}, from: n.Files}
	entries, err := fs.ReadDir(n.Files, ".")
	if err != nil {
		return networks{}, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !bytes.Contains(list, []byte(`"`+e.Name()+`"`)) && e.Name() != manifest {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return networks{}, err
		}
		out.files[e.Name()] = info.Size()
	}
	return out, nil
}

// sendNetwork serves one file, straight from where it lies.
func (s *Server) sendNetwork(c *fiber.Ctx) error {
	name := param(c, "name")
	size, ok := s.networks.files[name]
	if !ok || c.Path() != s.networks.base+name {
		return errNotFound
	}
	c.Set(fiber.HeaderContentType, typeOf(name))
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	f, err := s.networks.from.Open(name)
	if err != nil {
		return fmt.Errorf("open a network: %w", err)
	}
	c.Response().SetBodyStream(struct {
		io.Reader
		io.Closer
	}{f, f}, int(size))
	return nil
}

// faceStepView is what a phone needs to guide somebody through the face step.
type faceStepView struct {
	Model    string `json:"model"`    // the embedder's name, "" where faces are not compared
	Hash     string `json:"hash"`     // of its files
	Networks string `json:"networks"` // below which address the networks lie, "" where there are none
	// TriesLeft says how often the moves may still fail.
	TriesLeft int `json:"tries_left"`
}

// faceStepOf is that of a step, nil of another kind.
func (s *Server) faceStepOf(st cases.Step) *faceStepView {
	if st.Kind != cases.KindFace {
		return nil
	}
	n := s.cfg.Networks
	return &faceStepView{Model: n.Model, Hash: n.Hash, Networks: s.networks.base, TriesLeft: s.cfg.Cases.TriesLeft(st)}
}
