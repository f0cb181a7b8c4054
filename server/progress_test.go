package server_test

import (
	"encoding/base64"
	"testing"

	"github.com/symbolon/symbolon/server/servertest"
)

// What is sent while it is made is counted beside what whoever makes it tells of it: the desk sees both.
func TestARecordingIsShownWhileItsBytesArrive(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	offer := desk.Offer()
	phone := desk.Claim(offer)
	number := desk.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	atDesk := open(t, s, desk, liveOf(desk))

	const step = "document_front"
	phone.Do("POST", desk.Path("/steps/"+step+"/progress"), map[string]any{
		"phase": "recording", "prompt_index": 1, "prompt_count": 5, "take": 2, "elapsed_ms": 7000,
	}).Want(t, 204)
	m := atDesk.until("what is recorded", func(m message) bool { return m.Type == "progress" && m.Phase == "recording" })
	if m.PromptIndex == nil || *m.PromptIndex != 1 || m.PromptCount != 5 || m.Take != 2 || m.ElapsedMS != 7000 {
		t.Errorf("%+v", m)
	}

	b64 := base64.StdEncoding.EncodeToString
	made := phone.Do("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Defer-Length", "1",
		"Upload-Metadata", "case "+b64([]byte(desk.CaseID))+",step "+b64([]byte(step))+",filetype "+b64([]byte("image/jpeg"))).Want(t, 201)
	phone.Do("PATCH", made.Header.Get("Location"), make([]byte, 5000), "Tus-Resumable", "1.0.0", "Upload-Offset", "0",
		"Content-Type", "application/offset+octet-stream").Want(t, 204)
	m = atDesk.until("the bytes", func(m message) bool { return m.Type == "progress" && m.SentBytes > 0 })
	if m.Phase != "" && m.Phase != "recording" || m.SentBytes != 5000 || m.TotalBytes != 0 {
		t.Errorf("while it is recorded the desk is told %+v", m)
	}
}
