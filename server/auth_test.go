package server_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func TestAuthorizationAloneCountsWhereItIsPresent(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	app := p.App()
	other := s.Applicant(t)

	if got := p.Do("GET", "/v1/me", nil, "Authorization", "Bearer "+app.Token).Want(t, 200).String("account.email"); got != p.Email {
		t.Errorf("the bearer's account is %q", got)
	}
	for name, value := range map[string]string{
		"empty":            "",
		"only a scheme":    "Bearer",
		"another scheme":   "Basic cGVyc29uOnBhc3N3b3Jk",
		"unknown prefix":   "Bearer xx_" + app.Token[3:],
		"platform":         "Bearer sk_" + app.Token[3:],
		"a desk's token":   "Bearer " + other.Cookies["symbolon_session"],
		"a changed token":  "Bearer " + app.Token[:len(app.Token)-2] + "AA",
		"a longer token":   "Bearer " + app.Token + "A",
		"two spaces":       "Bearer  " + app.Token,
		"an unknown phone": "Bearer ct_" + app.Token[3:],
		"a very long one":  "Bearer st_" + strings.Repeat("A", 8<<10),
	} {
		a := p.Do("GET", "/v1/me", nil, "Authorization", value).Want(t, 401)
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	app.Do("GET", "/v1/me", nil, "Authorization", "+Bearer "+app.Token).Want(t, 401) // twice
	// The scheme's case does not matter.
	p.Do("GET", "/v1/me", nil, "Authorization", "bEARER "+app.Token).Want(t, 200)
}

func TestTheCookieIsPickedByAddressAndSymbolonAs(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	offer := desk.Offer()
	// One browser that is both: signed in at its own account, and the phone of this handoff.
	both := s.Applicant(t)
	both.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(t, 201)

	for _, row := range []struct {
		path, as string
		status   int
		code     string
	}{
		{"/v1/me", "", 200, ""},
		{"/v1/me", "applicant", 200, ""},
		{"/v1/me", "capture", 403, "not_for_capture"},
		{"/v1/me", "both", 400, "symbolon_as_invalid"},
		{"/v1/me", "Applicant", 400, "symbolon_as_invalid"},
		{"/v1/capture", "", 200, ""},
		{"/v1/capture", "capture", 200, ""},
		{"/v1/capture", "applicant", 403, "capture_required"},
	} {
		var headers []string
		if row.as != "" {
			headers = []string{"Symbolon-As", row.as}
		}
		both.Do("GET", row.path, nil, headers...).Want(t, row.status, row.code)
	}
	if got := both.Do("GET", "/v1/capture", nil).String("handoff.id"); got != offer.String("id") {
		t.Errorf("the phone's handoff is %q", got)
	}
	// Only the session cookie, and only the capture cookie.
	desk.Do("GET", "/v1/capture", nil).Want(t, 401, "session_unknown")
	delete(both.Cookies, "symbolon_session")
	both.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
	both.Do("GET", "/v1/capture", nil).Want(t, 200)
}

func TestTokensNeverComeFromAnAddress(t *testing.T) {
	s := servertest.Start(t)
	app := s.Applicant(t).App()
	program := s.NewProgram(t)
	for _, query := range []string{"token=", "access_token=", "symbolon_session=", "authorization=Bearer%20"} {
		program.Do("GET", "/v1/me?"+query+app.Token, nil).Want(t, 401, "session_unknown")
	}
	// A cookie is no bearer's place and a bearer no cookie's.
	program.Do("GET", "/v1/me", nil, "Cookie", "symbolon_session="+app.Token).Want(t, 401, "session_unknown")
}

// Who may do what is unsafe with a cookie, and who gets one.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	ours := s.URL
	origins := []struct {
		name    string
		headers []string
		passes  bool
	}{
		{"fetch from our page", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"fetch metadata wins over origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"}, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another site with our origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", ours}, false},
		{"same site, other origin", []string{"Sec-Fetch-Site", "same-site"}, false},
		{"typed address", []string{"Sec-Fetch-Site", "none"}, false},
		{"unknown word", []string{"Sec-Fetch-Site", "Same-Origin"}, false},
		{"older browser, our origin", []string{"Sec-Fetch-Site", "-", "Origin", ours}, true},
		{"older browser, other origin", []string{"Sec-Fetch-Site", "-", "Origin", "http://evil.example"}, false},
		{"older browser, other port", []string{"Sec-Fetch-Site", "-", "Origin", "http://127.0.0.1:1"}, false},
		{"older browser, other scheme", []string{"Sec-Fetch-Site", "-", "Origin", strings.Replace(ours, "http:", "https:", 1)}, false},
		{"older browser, prefix of ours", []string{"Sec-Fetch-Site", "-", "Origin", ours + ".evil.example"}, false},
		{"sandboxed page", []string{"Sec-Fetch-Site", "-", "Origin", "null"}, false},
		{"cookie without either", []string{"Sec-Fetch-Site", "-"}, false},
	}
	for _, row := range origins {
		t.Run(row.name, func(t *testing.T) {
			use := p.Do("POST", "/v1/cases", map[string]any{"kind": "bogus"}, row.headers...)
			set := p.Do("POST", "/v1/session", map[string]any{"email": "x"}, row.headers...)
			if row.passes {
				use.Want(t, 422)
				set.Want(t, 422)
				return
			}
			use.Want(t, 403, "cross_site_request")
			set.Want(t, 403, "cross_site_request")
			if ck := set.Header.Get("Set-Cookie"); ck != "" {
				t.Errorf("a cookie was set: %s", ck)
			}
			// What changes nothing needs no such header, and a bearer is not a cookie.
			p.Do("GET", "/v1/me", nil, row.headers...).Want(t, 200)
		})
	}
}

func TestProgramsPassWithoutACookie(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	program := s.NewProgram(t)
	a := program.Do("POST", "/v1/session", map[string]any{"email": desk.Email, "password": desk.Password}).Want(t, 200)
	if got := a.Header.Values("Set-Cookie"); len(got) > 0 {
		t.Errorf("a program got %v", got)
	}
	a = program.Do("POST", "/v1/handoffs/claim", map[string]any{"code": desk.Offer().String("text_code")}).Want(t, 201)
	if got := a.Header.Values("Set-Cookie"); len(got) > 0 {
		t.Errorf("a program got %v", got)
	}
}

func TestCookiesAreOutOfReachOfScriptsAndOtherSites(t *testing.T) {
	proxied := func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	for _, tls := range []bool{false, true} {
		s := servertest.Start(t, proxied)
		p := s.Applicant(t)
		offer := s.Person(t).Offer()
		var via []string
		prefix, secure := "", ""
		if tls {
			via = []string{"X-Forwarded-Proto", "https"}
			prefix, secure = "__Host-", "secure"
		}
		in := p.Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": p.Password}, via...).Want(t, 200)
		claim := p.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}, via...).Want(t, 201)
		for cookie, wants := range map[string][]string{
			in.Header.Get("Set-Cookie"):    {prefix + "symbolon_session=sd_", "HttpOnly", "SameSite=Lax", "path=/", "max-age=604800", secure},
			claim.Header.Get("Set-Cookie"): {prefix + "symbolon_capture=ct_", "HttpOnly", "SameSite=Strict", "path=/", secure},
		} {
			for _, want := range wants {
				if !strings.Contains(cookie, want) {
					t.Errorf("tls=%v: %q lacks %q", tls, cookie, want)
				}
			}
			if strings.Contains(strings.ToLower(cookie), "domain=") || !tls && strings.Contains(cookie, "secure") {
				t.Errorf("tls=%v: %q", tls, cookie)
			}
		}
		if !tls {
			continue
		}
		// Under TLS the plain names, which any host of the domain could plant, do not count.
		p.Do("GET", "/v1/me", nil, append(via, "Cookie", "symbolon_session="+p.Cookies["__Host-symbolon_session"])...).Want(t, 401)
		p.Do("GET", "/v1/me", nil, append(via, "Cookie", "__Host-symbolon_session="+p.Cookies["__Host-symbolon_session"])...).Want(t, 200)
	}
}

func TestForeignHostsAreMisdirected(t *testing.T) {
	s := servertest.Start(t, func(c *server.Config) {
		c.PublicURL, c.Hosts = "https://kyc.example.com", append(c.Hosts, strings.TrimPrefix(c.PublicURL, "http://"), "localhost:8080")
	})
	program := s.NewProgram(t)
	for host, status := range map[string]int{
		"kyc.example.com": 200, "KYC.example.com": 200, "kyc.example.com:443": 200, "localhost:8080": 200, s.Host(): 200,
		"evil.example": 421, "kyc.example.com.evil.example": 421, "localhost": 421, "localhost:8081": 421, "kyc.example.com:8443": 421, "127.0.0.1": 421,
	} {
		code := ""
		if status == 421 {
			code = "host_unknown"
		}
		program.Do("GET", "/v1/operator", nil, "Host", host).Want(t, status, code)
		program.Do("GET", "/healthz", nil, "Host", host).Want(t, 200)
	}
}

func TestOnlyTrustedProxiesSpeakForOthers(t *testing.T) {
	try := func(s *servertest.Server, from string) *servertest.Answer {
		return s.NewProgram(t).Do("POST", "/v1/handoffs/open", map[string]any{"code": "AAAA-AAAA"}, "X-Forwarded-For", from)
	}
	fill := func(s *servertest.Server, from string) {
		for range 20 {
			try(s, from).Want(t, 404, "code_unknown")
		}
	}
	t.Run("untrusted", func(t *testing.T) {
		s := servertest.Start(t)
		fill(s, "192.0.2.1")
		try(s, "192.0.2.2").Want(t, 429)
	})
	t.Run("trusted", func(t *testing.T) {
		s := servertest.Start(t, func(c *server.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		fill(s, "192.0.2.1, 10.1.1.1")
		try(s, "192.0.2.1").Want(t, 429)
		try(s, "198.51.100.9, 192.0.2.1").Want(t, 429) // what the client wrote itself does not count
		try(s, "192.0.2.2").Want(t, 404)
		fill(s, "2001:db8:0:ab00::1")
		try(s, "2001:db8:0:abff::2").Want(t, 429) // the same /56
		try(s, "2001:db8:0:ac00::1").Want(t, 404)
		try(s, "no address").Want(t, 404) // the proxy's own
	})
}

func TestSessionsEndByTimeAndBySignOut(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	app := p.App()
	s.Clock.Advance(11 * time.Hour)
	p.Do("GET", "/v1/me", nil).Want(t, 200)
	s.Clock.Advance(11 * time.Hour) // used meanwhile
	p.Do("GET", "/v1/me", nil).Want(t, 200)
	s.Clock.Advance(13 * time.Hour)
	p.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
	app.Do("GET", "/v1/me", nil).Want(t, 200)

	p.SignIn()
	old := p.Cookies["symbolon_session"]
	out := p.Do("DELETE", "/v1/session", nil).Want(t, 204)
	if len(p.Cookies) != 0 {
		t.Errorf("cookies are left after %q", out.Header.Get("Set-Cookie"))
	}
	p.Do("GET", "/v1/me", nil, "Cookie", "symbolon_session="+old).Want(t, 401)
	p.Do("DELETE", "/v1/session", nil).Want(t, 401)
	// A cookie that stands for nothing is taken away.
	p.Do("DELETE", "/v1/session", nil, "Cookie", "symbolon_session="+old).Want(t, 204)

	app.Do("DELETE", "/v1/session", nil).Want(t, 401)
	p.SignIn()
	p.Do("DELETE", "/v1/tokens/current", nil).Want(t, 401)
	app.Do("DELETE", "/v1/tokens/current", nil).Want(t, 204)
	app.Do("GET", "/v1/me", nil).Want(t, 401)
}

func TestSigningInAgainEndsTheFormerSession(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	old := p.Cookies["symbolon_session"]
	p.SignIn()
	if p.Cookies["symbolon_session"] == old {
		t.Fatal("the token did not change")
	}
	p.Do("GET", "/v1/me", nil, "Cookie", "symbolon_session="+old).Want(t, 401)
}

// Another site must not sign its visitor in as somebody else, nor make a phone of their browser.
func TestAnotherSiteSetsNoCookie(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	victim := s.NewBrowser(t) // without a cookie of ours
	account := map[string]any{"email": p.Email, "password": p.Password}
	offer := p.Offer()
	for _, from := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "-", "Origin", "https://evil.example"},
	} {
		victim.Do("POST", "/v1/session", account, from...).Want(t, 403, "cross_site_request")
		victim.Do("POST", "/v1/tokens", account, from...).Want(t, 403, "cross_site_request")
		victim.Do("POST", "/v1/accounts", account, from...).Want(t, 403, "cross_site_request")
		victim.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}, from...).Want(t, 403, "cross_site_request")
	}
	if len(victim.Cookies) != 0 {
		t.Errorf("cookies %v", victim.Cookies)
	}
	if got := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("state"); got != "offered" {
		t.Errorf("the handoff is %s", got)
	}
}

// A picture's address does not say whose it is: a browser that is both desk and phone sees its own of either.
func TestPicturesAreShownByEitherCookie(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	own := p.Send("document_front", servertest.Photo(1))
	offer := p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_back"}}).Want(t, 201)
	p.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(t, 201)
	number := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	p.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	phones := p.Send("document_back", servertest.Photo(2), "Symbolon-As", "capture")
	for _, upload := range []string{own, phones} {
		path := "/v1/media/" + cases.MediaID(upload)
		p.Do("GET", path, nil).Want(t, 200)
		as := []string{"applicant", "capture"}
		if upload == phones {
			as[0], as[1] = as[1], as[0]
		}
		p.Do("GET", path, nil, "Symbolon-As", as[0]).Want(t, 200)
		p.Do("GET", path, nil, "Symbolon-As", as[1]).Want(t, 404, "media_unknown")
	}
	stranger := s.Person(t)
	stranger.Do("GET", "/v1/media/"+cases.MediaID(own), nil).Want(t, 404, "media_unknown")
}
