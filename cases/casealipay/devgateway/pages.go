package devgateway

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
)

// pages are all of the gateway's. None names the person.
var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>TEST GATEWAY</title>
<style>body{font:1.05rem/1.5 system-ui,sans-serif;max-width:26rem;margin:2rem auto;padding:0 1rem}
.test{background:#b00020;color:#fff;font-weight:700;padding:.75rem 1rem;letter-spacing:.06em}
button,a.button{display:block;width:100%;box-sizing:border-box;min-height:3rem;margin:.75rem 0;font:inherit;text-align:center;line-height:3rem;border:1px solid #555;background:#fff;color:#111;text-decoration:none}</style>
<p class="test">TEST GATEWAY</p>{{end}}
{{define "certify"}}{{template "head"}}<h1>What would Alipay have found?</h1>
<p>Nobody is recognised here. Press what the program under test shall be told.</p>
<form method="post" action="/decide"><input type="hidden" name="certify_id" value="{{.}}">
<button name="outcome" value="pass">Pass</button><button name="outcome" value="fail">Fail</button><button name="outcome" value="abandon">Abandon</button></form>{{end}}
{{define "abandoned"}}{{template "head"}}<h1>Abandoned</h1><p>Whoever waits is told nothing.</p>{{end}}
{{define "refused"}}{{template "head"}}<h1>Refused</h1><p>{{.}}</p>{{end}}
{{define "front"}}{{template "head"}}<h1>Answers</h1><p>{{.Orders}} orders. Answers are now: <strong>{{.Name}}</strong></p>
<form method="post" action="/fault">{{range .Faults}}<button name="fault" value="{{.}}">{{if .}}{{.}}{{else}}right{{end}}</button>{{end}}</form>{{end}}
`))

func (g *Gateway) show(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, data) // a browser that left
}

// page is what the address that an application signed shows.
func (g *Gateway) page(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	if refused := g.admit(v); refused != "" || v.Get("method") != certify {
		g.show(w, http.StatusForbidden, "refused", "This address was not signed by the application: "+refused)
		return
	}
	var in struct {
		CertifyID string `json:"certify_id"`
	}
	err := json.Unmarshal([]byte(v.Get("biz_content")), &in)
	g.mu.Lock()
	o := g.byCertify[in.CertifyID]
	g.mu.Unlock()
	if err != nil || o == nil {
		g.show(w, http.StatusNotFound, "refused", "There is no such verification.")
		return
	}
	g.show(w, http.StatusOK, "certify", o.certifyID)
}

// decide takes what was pressed and goes back, as Alipay's app does.
func (g *Gateway) decide(w http.ResponseWriter, r *http.Request) {
	to, err := g.Decide(r.FormValue("certify_id"), r.FormValue("outcome"))
	switch {
	case err != nil:
		g.show(w, http.StatusNotFound, "refused", "There is no such verification.")
	case to == "":
		g.show(w, http.StatusOK, "abandoned", nil)
	default:
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // the application said where to
	}
}

func (g *Gateway) front(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	orders, name := len(g.byOuter), string(g.fault)
	g.mu.Unlock()
	if name == "" {
		name = "right"
	}
	g.show(w, http.StatusOK, "front", struct {
		Orders int
		Name   string
		Faults []Fault
	}{orders, name, Faults})
}

func (g *Gateway) setFault(w http.ResponseWriter, r *http.Request) {
	f := Fault(r.FormValue("fault"))
	if !slices.Contains(Faults, f) {
		g.show(w, http.StatusNotFound, "refused", "There is no such way to answer.")
		return
	}
	g.SetFault(f)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
