package server_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func TestThePhoneGetsTheNetworksOfTheServerAndNothingBeside(t *testing.T) {
	files := fstest.MapFS{
		"manifest.json": {Data: []byte(`{"mesh.bin": {"sha256": "00"}}`)},
		"mesh.bin":      {Data: []byte("weights")},
		"notes.txt":     {Data: []byte("not named")},
	}
	s := servertest.StartWith(t, withFace(t, &shownFaces{}), pages, func(c *server.Config) {
		c.Networks = server.Networks{Files: files, Model: "mesh", Hash: "00"}
	})
	_, phone := atTheFace(t, s)
	step := phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	base := step.String("steps.0.face.networks")
	if step.String("steps.0.face.model") != "mesh" || !strings.HasPrefix(base, "/assets/face/") {
		t.Fatalf("the phone is told %s", step.Body)
	}
	a := phone.Do("GET", base+"mesh.bin", nil).Want(t, 200)
	if string(a.Body) != "weights" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%q, kept %q", a.Body, a.Header.Get("Cache-Control"))
	}
	for _, gone := range []string{base + "notes.txt", base + "..%2Fmesh.bin", "/assets/face/0000000000000000/mesh.bin"} {
		phone.Do("GET", gone, nil).Want(t, 404)
	}

	// WebAssembly runs on the phone's page and its worker alone.
	for path, want := range map[string]bool{"/": false, "/h": true, "/v1/operator": false} {
		if csp := phone.Do("GET", path, nil).Header.Get("Content-Security-Policy"); strings.Contains(csp, "'wasm-unsafe-eval'") != want || strings.Contains(csp, "'unsafe-eval'") {
			t.Errorf("%s has the policy %s", path, csp)
		}
	}
}
