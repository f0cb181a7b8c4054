// Package cliptest makes recordings for tests, with FFmpeg's sources of pictures and speech.
package cliptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Clip is a recording to be made. The zero value is what a browser's recorder makes of a person who reads: three seconds
// of WebM with VP8 and Opus, upright.
type Clip struct {
	Format  string  // "webm", "mkv", "mp4" (as recorders write it, in fragments) or "mp4-end" (what says how to play it stands last)
	Seconds float64 // 3 where 0
	Picture string  // a source of FFmpeg, of 240 × 320; "none" for no picture; a moving one where empty
	Sound   string  // a source of FFmpeg; "none" for no sound; speech where empty
	Video   string  // codec; of the format where empty
}

// Speech is a source of somebody who speaks from half a second on, for two seconds or so.
const Speech = "flite=text='I want an account.',adelay=500"

// Moving is a source of pictures that move and have the noise of a camera.
const Moving = "testsrc2=s=240x320:r=15,noise=alls=8:allf=t"

// Needed skips a test that needs FFmpeg where it is not installed, loudly; where CI is set it fails.
func Needed(t testing.TB) {
	t.Helper()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is needed here; see scripts/need.sh", name)
			}
			t.Skipf("SKIPPED: recordings are not played, as %s is not installed; see scripts/need.sh", name)
		}
	}
}

var made sync.Map // Clip → func() ([]byte, error)

// Bytes returns the recording as a file. It is made once.
func (c Clip) Bytes(t testing.TB) []byte {
	t.Helper()
	Needed(t)
	make, _ := made.LoadOrStore(c, sync.OnceValues(c.record))
	b, err := make.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c Clip) record() ([]byte, error) {
	if c.Format == "" {
		c.Format = "webm"
	}
	if c.Seconds == 0 {
		c.Seconds = 3
	}
	if c.Picture == "" {
		c.Picture = Moving
	}
	if c.Sound == "" {
		c.Sound = Speech + ",apad"
	}
	args := []string{"-v", "error", "-nostdin", "-y"}
	for _, source := range []string{c.Picture, c.Sound} {
		if source != "none" {
			args = append(args, "-f", "lavfi", "-i", source)
		}
	}
	video, audio, end := c.Video, "libopus", []string{"-f", "webm"}
	switch c.Format {
	case "mkv":
		end = []string{"-f", "matroska"}
	case "mp4":
		audio, end = "aac", []string{"-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"}
	case "mp4-end":
		audio, end = "aac", []string{"-f", "mp4"}
	}
	if video == "" {
		video = map[bool]string{true: "libvpx", false: "libx264"}[c.Format == "webm"]
	}
	if c.Picture != "none" {
		args = append(args, "-c:v", video, "-b:v", "300k", "-g", "60", "-pix_fmt", "yuv420p")
		if video == "libvpx" {
			args = append(args, "-deadline", "realtime", "-cpu-used", "8")
		} else if video == "libx264" {
			args = append(args, "-preset", "ultrafast")
		}
	}
	if c.Sound != "none" {
		args = append(args, "-c:a", audio, "-b:a", "32k")
	}
	dir, err := os.MkdirTemp("", "clip")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "clip")
	args = append(append(append(args, "-t", fmt.Sprint(c.Seconds)), end...), name)
	if said, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil { //nolint:gosec // arguments of tests
		return nil, fmt.Errorf("ffmpeg %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return os.ReadFile(name)
}
