package caseffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/caseffmpeg/cliptest"
	"github.com/symbolon/symbolon/checks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type file struct{ *bytes.Reader }

func (f file) Size() int64  { return f.Reader.Size() }
func (f file) Close() error { return nil }

func evidence(b []byte) cases.Evidence { return file{bytes.NewReader(b)} }

func installed(t *testing.T) *Inspector {
	t.Helper()
	cliptest.Needed(t)
	i, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func inspect(t *testing.T, i *Inspector, b []byte, filetype string) cases.Inspected {
	t.Helper()
	in, err := i.Inspect(t.Context(), evidence(b), filetype)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestWhatRecordersMakeIsPlayed(t *testing.T) {
	i := installed(t)
	for name, row := range map[string]struct {
		clip                   cliptest.Clip
		filetype, codecs, copy string
	}{
		"webm":              {cliptest.Clip{}, "video/webm", "vp8,opus", "video/webm"},
		"matroska of H.264": {cliptest.Clip{Format: "mkv"}, "video/x-matroska", "h264,opus", "video/mp4"},
		"mp4 in fragments":  {cliptest.Clip{Format: "mp4"}, "video/mp4", "h264,aac", "video/mp4"},
		"mp4, index last":   {cliptest.Clip{Format: "mp4-end"}, "video/mp4", "h264,aac", "video/mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			b := row.clip.Bytes(t)
			in := inspect(t, i, b, row.filetype)
			if !in.Picture || !in.Sound || in.Codecs != row.codecs || in.Width != 240 || in.Height != 320 || in.Faults != 0 {
				t.Errorf("%+v", in.Codecs)
			}
			if d := in.Duration(); d < 2800*time.Millisecond || d > 3300*time.Millisecond {
				t.Errorf("it lasts %v", d)
			}
			if l := in.Moving.Light(); l < 60 || l > 200 || in.Moving.Still() > 400*time.Millisecond || in.Moving.Cuts() > 0 {
				t.Errorf("light %v, still %v, cuts %d", l, in.Moving.Still(), in.Moving.Cuts())
			}
			if in.Heard.MeanDB < -40 || in.Heard.Spoken(0, 2*time.Second) < 600*time.Millisecond || in.Heard.Spoken(2500*time.Millisecond, 3*time.Second) > 0 {
				t.Errorf("%v dB, %v and %v spoken", in.Heard.MeanDB, in.Heard.Spoken(0, 2*time.Second), in.Heard.Spoken(2500*time.Millisecond, 3*time.Second))
			}
			sheet, err := jpeg.DecodeConfig(bytes.NewReader(in.Sheet))
			if err != nil || sheet.Height != 160 || sheet.Width%120 != 0 || sheet.Width < 2*120 {
				t.Errorf("the sheet: %v, %+v", err, sheet)
			}
			if len(in.Stills) < 1 {
				t.Error("no stills")
			}
			for _, s := range in.Stills {
				if c, err := jpeg.DecodeConfig(bytes.NewReader(s)); err != nil || c.Width != 480 || c.Height != 640 {
					t.Errorf("a still: %v, %+v", err, c)
				}
			}
			// The copy is whole, one, and says how long it is: what seeking needs.
			if in.CopyFiletype != row.copy || checks.Sniff(in.Copy) != row.copy {
				t.Errorf("the copy is %q, %q", in.CopyFiletype, checks.Sniff(in.Copy))
			}
			c, err := checks.ReadContainer(bytes.NewReader(in.Copy), int64(len(in.Copy)), in.CopyFiletype)
			if err != nil || c.Truncated || c.Pieces != 1 || (c.States-in.Duration()).Abs() > time.Second {
				t.Errorf("the copy: %+v, %v", c, err)
			}
		})
	}
}

func TestWhatIsMissingIsSeen(t *testing.T) {
	i := installed(t)
	black := inspect(t, i, cliptest.Clip{Picture: "color=black:s=240x320:r=15", Sound: "anullsrc", Seconds: 1}.Bytes(t), "video/webm")
	if long, share := black.Moving.Black(); share < 0.99 || long < 800*time.Millisecond {
		t.Errorf("black for %v, %v", long, share)
	}
	if !black.Sound || black.Heard.PeakDB > -80 {
		t.Errorf("silence is %v dB", black.Heard.PeakDB)
	}
	frozen := inspect(t, i, cliptest.Clip{Picture: "testsrc2=s=240x320:r=15,loop=-1:1", Sound: "none", Seconds: 2.4}.Bytes(t), "video/webm")
	if still := frozen.Moving.Still(); frozen.Sound || still < 1800*time.Millisecond {
		t.Errorf("sound %v, still for %v", frozen.Sound, still)
	}
	if mute := inspect(t, i, cliptest.Clip{Picture: "none", Seconds: 1}.Bytes(t), "video/webm"); mute.Picture || !mute.Sound || mute.Copy != nil {
		t.Errorf("without a picture: %+v", mute.Codecs)
	}
	dark := inspect(t, i, cliptest.Clip{Picture: cliptest.Moving + ",eq=brightness=-0.4", Sound: "none", Seconds: 1}.Bytes(t), "video/webm")
	if l := dark.Moving.Light(); l > 50 {
		t.Errorf("dark is %v", l)
	}
	sharp := inspect(t, i, cliptest.Clip{}.Bytes(t), "video/webm")
	blurred := inspect(t, i, cliptest.Clip{Picture: "testsrc2=s=240x320:r=15,gblur=3,noise=alls=4:allf=t", Sound: "none", Seconds: 1}.Bytes(t), "video/webm")
	if a, b := sharp.Moving.Blurred(), blurred.Moving.Blurred(); a <= 0 || a > 7 || b < 7 {
		t.Errorf("edges are %v, blurred %v wide", a, b)
	}
}

// A ten-hour recording is played for two minutes; what only says that it is so long is found out elsewhere.
func TestALongRecordingIsCutShort(t *testing.T) {
	i := installed(t)
	long := cliptest.Clip{Picture: "color=gray:s=32x32:r=1/20", Sound: "none", Seconds: 36_000}.Bytes(t)
	in := inspect(t, i, long, "video/webm")
	if d := in.Duration(); d < 2*time.Minute || d > mostSecond*time.Second+25*time.Second {
		t.Errorf("played for %v", d)
	}
}

// Nothing that a file names is opened, whatever it pretends to be.
func TestAFileCannotMakeItReadAnythingElse(t *testing.T) {
	i := installed(t)
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	secret := filepath.Join(t.TempDir(), "secret.webm")
	if err := os.WriteFile(secret, cliptest.Clip{}.Bytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	mp4 := cliptest.Clip{Format: "mp4-end"}.Bytes(t)
	// A data reference that leads to another file: the box "url " of this file, and its flag "in this file" taken away.
	elsewhere := bytes.Clone(mp4)
	at := bytes.LastIndex(elsewhere, []byte("url \x00\x00\x00\x01"))
	if at < 0 {
		t.Fatal("no data reference in the file")
	}
	elsewhere[at+7] = 0
	for name, b := range map[string][]byte{
		"a playlist":       []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + s.URL + "/a.ts\n#EXT-X-ENDLIST\n"),
		"a playlist, file": []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"),
		"a list of files":  []byte("ffconcat version 1.0\nfile '" + secret + "'\n"),
		"an SDP":           []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
		"a DASH manifest":  []byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation id="1"><BaseURL>` + s.URL + `/</BaseURL></Representation></AdaptationSet></Period></MPD>`),
		"nothing":          {},
		"noise":            bytes.Repeat([]byte("\x1a\x45\xdf\xa3\xff\x00"), 5000),
	} {
		for _, filetype := range []string{"video/webm", "video/x-matroska", "video/mp4"} {
			if in := inspect(t, i, b, filetype); in.Picture || in.Sound || in.Copy != nil {
				t.Errorf("%s as %s is played: %+v", name, filetype, in.Codecs)
			}
		}
	}
	if in := inspect(t, i, elsewhere, "video/mp4"); in.Picture && len(in.Moving.Brightness) > 0 && in.Moving.Light() == 0 {
		t.Errorf("another file is played: %+v", in.Codecs)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the network was asked %d times", n)
	}
}

func TestBrokenFilesAreContained(t *testing.T) {
	i := installed(t)
	whole := cliptest.Clip{}.Bytes(t)
	flipped := bytes.Clone(whole)
	for at := 2000; at < len(flipped); at += 97 {
		flipped[at] ^= 0x55
	}
	mp4 := cliptest.Clip{Format: "mp4-end"}.Bytes(t)
	huge := bytes.Clone(mp4)
	if at := bytes.Index(huge, []byte("avc1")); at > 0 { // the size of the picture in its description
		binary.BigEndian.PutUint32(huge[at+28:], 0xffffffff)
	}
	for name, row := range map[string]struct {
		b        []byte
		filetype string
	}{
		"cut off":          {whole[:len(whole)/2], "video/webm"},
		"bytes turned":     {flipped, "video/webm"},
		"no index":         {mp4[:len(mp4)/2], "video/mp4"},
		"another type":     {mp4, "video/webm"},
		"a picture's size": {huge, "video/mp4"},
	} {
		began := time.Now()
		in, err := i.Inspect(t.Context(), evidence(row.b), row.filetype)
		if err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
		if (name == "no index" || name == "another type") && in.Picture {
			t.Errorf("%s is played", name)
		}
	}
}

// fake puts programs of these names first in PATH.
func fake(t *testing.T, script string) *Inspector {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("SKIPPED: there is no shell")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // who runs as root runs programs as nobody
		t.Fatal(err)
	}
	begin := "#!/bin/sh\ncase \"$*\" in *-version*) echo 'ffmpeg version 9.9 of tests'; exit;; esac\n"
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(begin+script), 0o755); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	i, err := Find(t.Context())
	if err != nil || !strings.HasPrefix(i.String(), "FFmpeg 9.9, with") {
		t.Fatalf("%v, %v", i, err)
	}
	return i
}

func TestAProcessIsBounded(t *testing.T) {
	t.Setenv("SECRET", "not to be seen")
	secret := filepath.Join(t.TempDir(), "operator.key")
	if err := errors.Join(os.Chmod(filepath.Dir(filepath.Dir(secret)), 0o755), os.WriteFile(secret, []byte("secret"), 0o644)); err != nil { //nolint:gosec // anybody could read it
		t.Fatal(err)
	}
	i := fake(t, `ulimit -v; ulimit -n; ulimit -f; pwd; echo "[$SECRET]"; head -c 5 <&3; echo; head -c 5 /proc/self/fd/3; echo; grep -c : /proc/net/dev
cat "`+secret+`" || echo none; echo x 2>/dev/null > /tmp/symbolon-test || echo no file; id -u | grep -v '^0$' | wc -l`)
	var out text
	f, err := inMemory(strings.NewReader("bytes"))
	if err != nil {
		t.Skip("SKIPPED:", err)
	}
	defer f.Close()
	_, _ = f.Seek(0, 0)
	err = i.run(t.Context(), task{program: i.ffprobe, files: []*os.File{f}, out: []io.Writer{&out}, within: 5 * time.Second})
	want := "2097152\n32\n0\n/\n[]\nbytes\nbytes\n1\nnone\nno file\n1\n"
	if !i.apart.network || !i.apart.files {
		t.Skipf("SKIPPED: this machine does not let it be taken away: %v", i)
	}
	if err != nil || out.String() != want {
		t.Errorf("%v, %q, want %q", err, out.String(), want)
	}
}

func TestAProcessThatMisbehavesIsEnded(t *testing.T) {
	for name, row := range map[string]struct {
		script string
		want   error
	}{
		"hangs":                   {"exec sleep 60", context.DeadlineExceeded},
		"floods":                  {"exec yes", errTooMuch},
		"fails":                   {"exit 3", nil},
		"writes a file":           {"head -c 9000000 /dev/zero > /proc/self/fd/3", nil},
		"leaves a child that has": {"sleep 60 & exit 1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			i := fake(t, row.script)
			f, err := inMemory(strings.NewReader("x"))
			if err != nil {
				t.Skip("SKIPPED:", err)
			}
			defer f.Close()
			var out text
			began := time.Now()
			err = i.run(t.Context(), task{program: i.ffprobe, files: []*os.File{f}, out: []io.Writer{&out}, within: 500 * time.Millisecond})
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if end, err := f.Seek(0, 2); err != nil || end > 1<<20 {
				t.Errorf("%d bytes were written, %v", end, err)
			}
		})
	}
}

func TestOnlySoManyArePlayedAtOnce(t *testing.T) {
	i := fake(t, "exec sleep 60")
	for range atOnce {
		i.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Inspect(ctx, evidence(nil), "video/webm"); !errors.Is(err, context.Canceled) {
		t.Errorf("one more: %v", err)
	}
}

func TestWithoutTheProgramsNothingIsFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
}
