package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casealipay"
	"github.com/symbolon/symbolon/cases/casebundle"
	"github.com/symbolon/symbolon/cases/caseffmpeg"
	"github.com/symbolon/symbolon/cases/casemail"
	"github.com/symbolon/symbolon/cases/casemongo"
	"github.com/symbolon/symbolon/cases/casespeech"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetesseract"
	"github.com/symbolon/symbolon/cases/casewebhook"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/handoff/handoffredis"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/liveredis"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/localtls"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/embeddedredis"
	"github.com/symbolon/symbolon/sessions/sessionredis"
	"github.com/symbolon/symbolon/web"
)

// stopWithin is how long running requests may take to end.
const stopWithin = 10 * time.Second

// What nodes tell each other of uploads.
const (
	wantsUpload = "wants_upload"  // a newer request for this upload came to another node
	ownerIsOver = "owner_is_over" // the handoff that owned uploads has ended
)

// program is the whole server: what listens, what runs beside it and what has to be closed.
type program struct {
	log       *slog.Logger
	server    *server.Server
	cases     *cases.Service
	handoffs  *handoff.Service
	hub       *live.Hub
	alipay    *casealipay.Client // nil where it is not set up
	media     *media.Service
	listeners []listener
	ops       net.Listener
	publicURL string
	addresses []string // https addresses of this machine in its network, best first
	ca        []byte   // certificate of the local authority (PEM), or nil
	reading   string   // what reads documents, or that nothing does
	playing   string   // what plays recordings, or that nothing does
	hearing   string   // what writes down what is said in them, or that nothing does
	faces     string   // what compares faces, or that nothing does
	closers   []func() error
}

// listener is one open door.
type listener struct {
	net.Listener
	secure bool
}

// build opens the stores, joins the subjects and listens, without answering yet. What it opened is closed
// by close, also after an error.
func build(ctx context.Context, c config, log *slog.Logger) (p *program, err error) {
	p = &program{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
			p = nil
		}
	}()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return p, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	unlock, err := lock(c)
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, unlock)
	keys, err := operatorKeys(c, log)
	if err != nil {
		return p, err
	}

	// Doors first: the address in QR codes is that of an open one.
	hosts, err := p.listen(c)
	if err != nil {
		return p, err
	}

	backend, err := openCases(ctx, c)
	if err != nil {
		return p, fmt.Errorf("the store of cases does not open: %w", err)
	}
	p.closers = append(p.closers, backend.Close)
	reader := p.findReader(ctx)
	faces, err := p.findFaces(c.FaceModel)
	if err != nil {
		return p, err
	}
	if p.alipay, err = openAlipay(c, log); err != nil {
		return p, err
	}
	var alipay cases.Alipay // not a nil *Client in it
	if p.alipay != nil {
		alipay = p.alipay
		p.closers = append(p.closers, func() error { p.alipay.Close(); return nil })
	}
	tell, write, err := tellers(c, p.publicURL)
	if err != nil {
		return p, err
	}
	recogniser, err := p.findRecogniser(c)
	if err != nil {
		return p, err
	}
	p.cases, err = cases.New(ctx, cases.Config{
		Alipay: alipay,
		Reader: reader, Faces: faces, Inspector: p.findInspector(ctx, c.Policy), Recogniser: recogniser,
		Store: backend, History: backend, Accounts: backend, Keys: keys, Log: log, Policy: c.Policy, Script: c.Script, Operator: c.OperatorName,
		Changed:     func(ctx context.Context, caseID string) { p.hub.Changed(ctx, caseID) },
		JobEnded:    func(kind, outcome string) { p.server.JobEnded(kind, outcome) },
		ClipChecked: func(check, verdict string) { p.server.ClipChecked(check, verdict) },
		Tell:        tell,
		Write:       write,
		Queued:      func(ctx context.Context) { p.server.QueueChanged(ctx) },
		Decided:     func(level int, v cases.Verdict, second bool) { p.server.Decided(level, v, second) },
		Evidence:    func(ctx context.Context, id string) (cases.Evidence, error) { return p.media.Open(ctx, id) },
		Destroy:     func(ctx context.Context, id string) error { return p.destroy(ctx, id) },
		Keep:        func(ctx context.Context, r cases.KeepRequest) (cases.Part, error) { return keep(ctx, p.media, r) },
	})
	if err != nil {
		return p, openWords(err)
	}

	// Sessions, handoffs and the live view share one Redis, here or elsewhere.
	redis, closeRedis, err := openRedis(ctx, c, keys, log)
	if err != nil {
		return p, fmt.Errorf("the store of sessions does not open: %w", err)
	}
	p.closers = append(p.closers, closeRedis)
	if p.hub, err = live.New(live.Config{Bus: liveredis.New(redis), Told: map[string]func(string){
		wantsUpload: func(id string) { p.media.LetGo(id) },
		ownerIsOver: func(id string) { p.media.Interrupt(id) },
	}}); err != nil {
		return p, err
	}
	people, err := sessions.New(sessions.Config{Store: sessionredis.New(redis), Key: keys.Derive("sessions")})
	if err != nil {
		return p, err
	}
	p.handoffs, err = handoff.New(handoff.Config{
		Store: handoffredis.New(redis), Key: keys.Derive("handoff"), Origin: p.publicURL, Log: log,
		RaiseEpoch: func(ctx context.Context, caseID, cause string) (int64, error) {
			return p.cases.RaiseEpoch(ctx, caseID, cause, cases.Actor{Kind: cases.BySystem})
		},
		Ended:   p.handoffEnded,
		Changed: func(ctx context.Context, caseID string) { p.hub.Changed(ctx, caseID) },
	})
	if err != nil {
		return p, err
	}

	files, err := openMedia(ctx, c)
	if err != nil {
		return p, err
	}
	p.media, err = media.New(media.Config{
		Store: files.Store, Key: p.cases.Key,
		Completed: func(ctx context.Context, st media.Status) error {
			_, err := p.cases.TakeStored(ctx, st.CaseID, st.ID, st.Length, st.SHA256, st.Head)
			return err
		},
		Elsewhere: func(id string) { p.hub.Tell(wantsUpload, id) },
	})
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.media.Close)

	alipayNote := "off"
	if p.alipay != nil {
		alipayNote = p.alipay.String()
	}
	p.server, err = server.New(server.Config{
		Cases: p.cases, Sessions: people, Handoffs: p.handoffs, Hub: p.hub, Media: p.media,
		Operator:  server.Operator{Name: c.OperatorName, Purpose: c.OperatorWhy, Support: c.Support},
		PublicURL: p.publicURL, Hosts: hosts, TrustedProxies: c.TrustedProxies, TrustCA: p.ca,
		Ready: func(ctx context.Context) map[string]error {
			bad := map[string]error{}
			for name, ping := range map[string]func(context.Context) error{
				"cases": backend.Ping, "sessions": func(ctx context.Context) error { return sessionredis.Ping(ctx, redis) }, "media": files.ping,
			} {
				if ping == nil {
					continue
				}
				if err := ping(ctx); err != nil {
					bad[name] = err
				}
			}
			return bad
		},
		Notes: map[string]string{"reading": p.reading, "faces": p.faces, "recordings": p.playing, "speech": p.hearing, "alipay": alipayNote},
		Bundle: func(ctx context.Context, caseID string, w io.Writer) error {
			key, err := bundleKey(c)
			if err != nil {
				return err
			}
			return casebundle.Write(ctx, casebundle.Config{Cases: p.cases, Key: key, Operator: c.OperatorName}, caseID, w)
		},
		TempDir: c.Data,
		Pages:   pages(), Networks: networksOf(faces), Log: log,
	})
	return p, err
}

// tellers are the ways in which decisions are told, and what writes to the holders of accounts.
func tellers(c config, page string) (ways map[string]func(context.Context, cases.Notice) error, write func(context.Context, cases.Letter) error, err error) {
	ways = map[string]func(context.Context, cases.Notice) error{}
	if c.SMTPURL != "" {
		m, err := casemail.New(c.SMTPURL, c.OperatorName, page)
		if err != nil {
			return nil, nil, fmt.Errorf("SYMBOLON_SMTP_URL: %w", err)
		}
		ways[cases.TellMail], write = m.Tell, m.Write
	}
	if c.WebhookURL != "" {
		h, err := casewebhook.New(c.WebhookURL, c.WebhookSecret)
		if err != nil {
			return nil, nil, fmt.Errorf("--webhook-url: %w", err)
		}
		ways[cases.TellWebhook] = h.Tell
	}
	return ways, write, nil
}

// openWords says what an operator does about a store that does not open.
func openWords(err error) error {
	switch {
	case errors.Is(err, cases.ErrWrongKey):
		return errors.New("the operator's key is not the one this data was written with; set SYMBOLON_KEY or --key-file to that key")
	case errors.Is(err, cases.ErrReindexing):
		return errors.New("the look-up values are half made anew; finish it with symbolon keys reindex")
	}
	return err
}

// findInspector looks for what plays recordings. Where there is nothing, the operator is told now, if recordings are asked
// for, and by /readyz, and reviewers by each case.
func (p *program) findInspector(ctx context.Context, policy cases.Policy) cases.Inspector {
	i, err := caseffmpeg.Find(ctx)
	if err != nil {
		p.playing = "recordings go to a person without being played: " + strings.TrimPrefix(err.Error(), "caseffmpeg: ") + "; install ffmpeg"
		if len(policy.Requires.Level3) > 0 {
			p.log.Warn("recordings_not_played", "error", err)
		}
		return nil
	}
	p.playing = i.String()
	p.log.Info("recordings_played", "by", i.String())
	return i
}

// findRecogniser is what writes down what is said, nil where the operator has none. Whether it answers is seen with the first
// recording: it may start later than this program.
func (p *program) findRecogniser(c config) (cases.Recogniser, error) {
	if c.SpeechURL == "" {
		p.hearing = "what is said is not written down: there is no --speech-url"
		return nil, nil
	}
	r, err := casespeech.New(c.SpeechURL, c.SpeechKey, c.SpeechModel)
	if err != nil {
		return nil, fmt.Errorf("--speech-url: %w", err)
	}
	p.hearing = r.String()
	return r, nil
}

// findReader looks for what reads documents. Where there is nothing, the operator is told now and by /readyz, and
// reviewers by each case; the number on a photo is then for a person to compare.
func (p *program) findReader(ctx context.Context) cases.Reader {
	r, err := casetesseract.Find(ctx)
	switch {
	case err != nil:
		p.reading = "documents are not read: " + strings.TrimPrefix(err.Error(), "casetesseract: ") + "; install tesseract-ocr and tesseract-ocr-chi-sim"
		p.log.Warn("documents_not_read", "error", err)
		return nil
	case !r.Chinese():
		p.reading = r.String() + "; Chinese is not read: install tesseract-ocr-chi-sim"
		p.log.Warn("chinese_not_read", "reader", r.String())
	default:
		p.reading = r.String()
		p.log.Info("documents_read", "reader", r.String())
	}
	return r
}

// findFaces opens what compares faces. Without it people compare them; the operator is told now and by /readyz.
func (p *program) findFaces(model string) (cases.Faces, error) {
	if model == "off" {
		p.faces = "faces are not compared: --face-model is off"
		return nil, nil
	}
	engine, err := face.Open(model, face.Options{})
	if errors.Is(err, face.ErrNoWeights) {
		p.faces = "faces are not compared: " + strings.TrimPrefix(err.Error(), "face: ")
		p.log.Warn("faces_not_compared", "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what compares faces does not open: %w", err)
	}
	m := engine.Model()
	p.faces = m.Name + " " + m.Hash
	p.log.Info("faces_compared", "model", m.Name, "hash", m.Hash)
	if m.Name == face.MobileFaceNet {
		p.log.Warn("face_model_rights", "note", "mobilefacenet was trained on pictures that were published for research; find out whether you may use it commercially, or choose --face-model dlib; see docs/face.md")
	}
	return engine, nil
}

// networksOf is what the phone follows a face with: the networks of this program, and which of them compares.
func networksOf(faces cases.Faces) server.Networks {
	if faces == nil {
		return server.Networks{}
	}
	m := faces.Model()
	return server.Networks{Files: face.Weights(), Model: m.Name, Hash: m.Hash}
}

// handoffEnded frees what a phone held when its handoff left its last live state: uploads that still run
// are cut, takes that nobody kept leave the case, the phone's socket is told.
func (p *program) handoffEnded(ctx context.Context, h handoff.Handoff) error {
	p.media.Interrupt(h.ID)
	p.hub.Tell(ownerIsOver, h.ID)
	err := p.cases.EndEpoch(ctx, h.CaseID, h.ID, h.Epoch, string(h.State), h.State == handoff.Reported)
	if errors.Is(err, cases.ErrUnknown) {
		err = nil // the case is gone, nothing is held
	}
	p.hub.End(h.CaseID, live.Phone)
	p.server.HandoffEnded(h.State)
	return err
}

// destroy destroys the bytes of a take; what is gone already is fine.
func (p *program) destroy(ctx context.Context, uploadID string) error {
	err := p.media.Terminate(ctx, uploadID)
	if errors.Is(err, media.ErrUnknown) || errors.Is(err, media.ErrGone) {
		return nil
	}
	return err
}

// keep stores a part of a take.
func keep(ctx context.Context, m *media.Service, r cases.KeepRequest) (cases.Part, error) {
	now := time.Now()
	st, err := m.Put(ctx, media.Info{
		ID: r.UploadID, CaseID: r.CaseID, Step: r.Step, Role: r.Role, Filetype: r.Filetype, MaxBytes: max(int64(len(r.Bytes)), 1),
		CreatedAt: now, ExpiresAt: now.Add(cases.UnfinishedFor),
	}, r.Bytes)
	return cases.Part{
		UploadID: st.ID, MediaID: cases.MediaID(st.ID), Role: r.Role, Filetype: r.Filetype, Size: st.Length, SHA256: st.SHA256,
	}, err
}

// sweep ends uploads that were never finished, once an hour.
func (p *program) sweep(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		err := p.media.Expired(ctx, func(i media.Info) error {
			if err := p.cases.DropTake(ctx, cases.Actor{Kind: cases.BySystem}, i.CaseID, i.ID); err != nil && !errors.Is(err, cases.ErrUnknown) {
				return err
			}
			return p.destroy(ctx, i.ID)
		})
		if err != nil && ctx.Err() == nil {
			p.log.Error("sweep_failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// run answers until ctx ends, then lets running requests finish, and closes everything.
func (p *program) run(ctx context.Context) error {
	defer func() { _ = p.close() }()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var g errgroup.Group
	failed := make(chan error, len(p.listeners)+5)
	start := func(f func(context.Context) error) {
		g.Go(func() error {
			err := f(work)
			if err != nil {
				failed <- err
			}
			return err
		})
	}
	start(p.hub.Run)
	start(p.handoffs.Run)
	start(p.cases.Run)
	start(p.sweep)
	if p.alipay != nil {
		start(p.probeAlipay)
	}
	for _, l := range p.listeners {
		start(func(context.Context) error { return p.server.Serve(l.Listener, l.secure) })
	}
	var ops *http.Server
	if p.ops != nil {
		ops = &http.Server{Handler: p.server.OpsHandler(), ReadHeaderTimeout: 5 * time.Second}
		start(func(context.Context) error {
			if err := ops.Serve(p.ops); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	cause = errors.Join(cause, p.server.Shutdown(end))
	if ops != nil {
		cause = errors.Join(cause, ops.Shutdown(end))
	}
	p.hub.Close()
	stopWork()
	_ = g.Wait()
	return errors.Join(cause, p.close())
}

// close closes what build opened, the newest first. Twice is fine.
func (p *program) close() error {
	var err error
	for i := len(p.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, p.closers[i]())
	}
	p.closers = nil
	return err
}

// listen opens the doors and finds out under which names they are reached.
func (p *program) listen(c config) (hosts []string, err error) {
	plain, err := p.open(c.Listen)
	if err != nil {
		return nil, err
	}
	p.listeners = append(p.listeners, listener{plain, false})
	port := portOf(plain)
	for _, h := range []string{"localhost", "127.0.0.1", "[::1]"} {
		hosts = append(hosts, h+":"+port)
	}
	p.publicURL = "http://localhost:" + port
	if host, _, _ := net.SplitHostPort(plain.Addr().String()); !net.ParseIP(host).IsLoopback() {
		for _, a := range localtls.Addresses() {
			hosts = append(hosts, net.JoinHostPort(a, port))
		}
	}
	if c.TLS != "off" {
		var conf *tls.Config
		if c.TLS == "local" {
			l, err := localtls.Open(filepath.Join(c.Data, "tls"))
			if err != nil {
				return nil, fmt.Errorf("the local certificate cannot be made: %w", err)
			}
			conf, p.ca = l.TLSConfig(), l.CA()
		} else {
			cert, key, _ := strings.Cut(c.TLS, ",")
			if conf, err = localtls.Load(cert, key); err != nil {
				return nil, fmt.Errorf("the certificate cannot be used: %w", err)
			}
		}
		secure, err := p.open(c.TLSListen)
		if err != nil {
			return nil, err
		}
		p.listeners = append(p.listeners, listener{tls.NewListener(secure, conf), true})
		port := portOf(secure)
		for _, a := range append(localtls.Addresses(), "localhost", "127.0.0.1", "::1") {
			hosts = append(hosts, net.JoinHostPort(a, port))
		}
		for _, a := range localtls.Addresses() {
			p.addresses = append(p.addresses, "https://"+net.JoinHostPort(a, port))
		}
		p.publicURL = append(p.addresses, "https://localhost:"+port)[0]
	}
	if c.PublicURL != "" {
		p.publicURL = c.PublicURL
	}
	if c.OpsListen != "" {
		if p.ops, err = p.open(c.OpsListen); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

func (p *program) open(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be listened on (%w); choose another port", address, err)
	}
	p.closers = append(p.closers, func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// openRedis opens the store of sessions that the settings name.
func openRedis(ctx context.Context, c config, keys *seal.Keyring, log *slog.Logger) (sessionredis.Client, func() error, error) {
	sessionredis.LogTo(log)
	if c.RedisURL != "" {
		client, err := sessionredis.Open(ctx, c.RedisURL)
		if err != nil {
			return nil, nil, err
		}
		return client, client.Close, nil
	}
	embedded, err := embeddedredis.Start(embeddedredis.Config{Dir: c.Data, Key: keys.Derive("snapshot"), Log: log})
	if err != nil {
		return nil, nil, err
	}
	return embedded.Client(), embedded.Close, nil
}

// openCases opens the store of cases that the settings name.
func openCases(ctx context.Context, c config) (cases.Backend, error) {
	if c.MongoURL != "" {
		return casemongo.Open(ctx, c.MongoURL)
	}
	return casesqlite.Open(ctx, casesFile(c))
}

func casesFile(c config) string { return filepath.Join(c.Data, "cases.db") }

// mediaFolder is where photos are kept.
func mediaFolder(c config) string { return filepath.Join(c.Data, "media") }

// pages are the built browser apps.
func pages() fs.FS { return web.Dist() }

// operatorKeys reads the operator's key, or makes one for a data folder that is new.
func operatorKeys(c config, log *slog.Logger) (*seal.Keyring, error) {
	ring, err := givenKeys(c)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if _, err := os.Stat(casesFile(c)); err == nil || c.MongoURL != "" {
		return nil, fmt.Errorf("the operator's key is missing: without it the data cannot be read; put it into %s or set SYMBOLON_KEY", c.KeyFile)
	}
	k := seal.NewKey()
	if err := writeNew(c.KeyFile, k.Encode()+"\n"); err != nil {
		return nil, fmt.Errorf("the operator's key cannot be written: %w", err)
	}
	log.Info("operator_key_created", "file", c.KeyFile, "note", "keep a copy elsewhere: without it nobody can read the data")
	return seal.NewKeyring(k), nil
}

// givenKeys reads the operator's key, during a rotation the older ones after it: from SYMBOLON_KEY, separated
// by commas, or from the key file, one a line. fs.ErrNotExist when there is none.
func givenKeys(c config) (*seal.Keyring, error) {
	text, from := c.Key, "SYMBOLON_KEY is not an operator's key"
	if text == "" {
		b, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("the operator's key cannot be read: %w", err)
		}
		text, from = strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ","), c.KeyFile+" does not hold an operator's key"
	}
	var keys []seal.Key
	for s := range strings.SplitSeq(text, ",") {
		k, err := seal.ParseKey(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		keys = append(keys, k)
	}
	return seal.NewKeyring(keys[0], keys[1:]...), nil
}

// writeNew writes a file that must not exist yet, for its owner only, and waits until it is on the disk.
func writeNew(name, content string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}
