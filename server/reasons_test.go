package server_test

import (
	"encoding/json"
	"testing"

	"github.com/symbolon/symbolon/server/servertest"
)

func TestEverybodyMayReadTheReasons(t *testing.T) {
	s := servertest.Start(t)
	var body struct {
		Reasons []struct {
			Code  string
			Type  string
			Redo  *string
			Texts map[string]struct{ Wrong, Better string }
			Maps  map[string]string
		}
	}
	if err := json.Unmarshal(s.NewProgram(t).Do("GET", "/v1/reasons", nil).Want(t, 200).Body, &body); err != nil {
		t.Fatal(err)
	}
	for _, r := range body.Reasons {
		if r.Code != "document.blurred" {
			continue
		}
		if r.Type != "again" || r.Redo == nil || *r.Redo != "side" || r.Texts["zh-Hans"].Wrong != "照片不够清晰。" || r.Maps["jumio"] != "BLURRED" {
			t.Errorf("%+v", r)
		}
		return
	}
	t.Errorf("document.blurred is not among %d reasons", len(body.Reasons))
}
