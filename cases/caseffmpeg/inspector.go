// Package caseffmpeg plays recordings with FFmpeg, where it is installed: processes of its own, bounded in time, memory,
// output and number, without a network and without files where the system can take them away.
//
// What somebody sent is handed over in memory and never stands on a disk in the clear. The programs are told what kind
// of file it is and may use no other reader, no protocol but that one file, and only the codecs that recorders in
// browsers and phones have.
package caseffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks"
)

// Bounds of one inspection.
const (
	findFor    = 10 * time.Second
	probeFor   = 20 * time.Second
	playFor    = 2 * time.Minute
	copyFor    = 30 * time.Second
	atOnce     = 2
	memoryKiB  = 2 << 20 // of address space
	openFiles  = 32
	mostSecond = 130      // that are played: no script is so long
	mostPixels = 16 << 20 // of a frame
	mostSide   = 8192
	mostText   = 64 << 10 // bytes of what a program says
	mostProbe  = 256 << 10
	sheetSide  = 160 // pixels of a small picture
	sheetWidth = 10  // of them
	stillEvery = 4   // seconds
)

// ErrAbsent is returned by Find where there is no FFmpeg that can be used.
var ErrAbsent = errors.New("caseffmpeg: FFmpeg is not installed")

// errTooMuch: a program wrote more than there can be.
var errTooMuch = errors.New("caseffmpeg: too much output")

// Inspector plays recordings. It is safe for concurrent use.
type Inspector struct {
	ffmpeg, ffprobe string
	shell           string // to set limits with, or ""
	version         string
	apart           apart
	slots           chan struct{}
}

var _ cases.Inspector = (*Inspector)(nil)

// Find looks for the programs in PATH. The error is ErrAbsent, with what is missing.
func Find(ctx context.Context) (*Inspector, error) {
	i := &Inspector{slots: make(chan struct{}, atOnce)}
	var err error
	if i.ffmpeg, err = exec.LookPath("ffmpeg"); err != nil {
		return nil, ErrAbsent
	}
	if i.ffprobe, err = exec.LookPath("ffprobe"); err != nil {
		return nil, fmt.Errorf("%w: ffprobe is missing", ErrAbsent)
	}
	room, err := inMemory(strings.NewReader(""))
	if err != nil {
		return nil, fmt.Errorf("%w: there is nothing to hand recordings over in: %w", ErrAbsent, err)
	}
	room.Close()
	i.shell, _ = exec.LookPath("sh")
	ctx, cancel := context.WithTimeout(ctx, findFor)
	defer cancel()
	var about string
	for _, i.apart = range []apart{{network: true, files: true}, {network: true}, {files: true}, {}} { // a system may not know it, or forbid it
		i.apart.programs = filepath.Dir(i.ffmpeg)
		var out text
		if err = i.run(ctx, task{program: i.ffmpeg, args: []string{"-hide_banner", "-version"}, out: []io.Writer{&out}, within: findFor}); err == nil {
			about = out.String()
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it does not start: %w", ErrAbsent, err)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(about, "ffmpeg version "), " ")
	i.version = first
	return i, nil
}

// String says which version plays recordings, and how far it is kept apart.
func (i *Inspector) String() string {
	var left []string
	if !i.apart.network {
		left = append(left, "this machine's network")
	}
	if !i.apart.files {
		left = append(left, "the files that this program may read")
	}
	if left != nil {
		return "FFmpeg " + i.version + ", with " + strings.Join(left, " and ") + ": this system does not let it be taken away"
	}
	return "FFmpeg " + i.version + ", without a network and files"
}

// Inspect implements cases.Inspector. It waits while as many are played as may be at once.
func (i *Inspector) Inspect(ctx context.Context, clip cases.Evidence, filetype string) (cases.Inspected, error) {
	out := cases.Inspected{By: "FFmpeg " + i.version}
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	case <-ctx.Done():
		return out, ctx.Err()
	}
	file, err := inMemory(io.NewSectionReader(clip, 0, clip.Size()))
	if err != nil {
		return out, fmt.Errorf("caseffmpeg: hand over: %w", err)
	}
	defer file.Close()
	found, err := i.probe(ctx, file, filetype)
	if err != nil || found.video == nil && found.audio == nil {
		return out, notOurs(ctx, err)
	}
	out.Picture, out.Sound = found.video != nil, found.audio != nil
	out.Codecs = found.codecs()
	if found.video != nil {
		out.Width, out.Height, out.Rotation = found.upright()
	}
	if err := i.play(ctx, file, filetype, found, &out); err != nil {
		return out, err
	}
	if out.Picture {
		out.Copy, out.CopyFiletype, err = i.remux(ctx, file, filetype, found, clip.Size())
	}
	return out, err
}

// notOurs drops the error of a program that could not do its work with what it was given; what happened to this
// program (it is being stopped, its time is over) stays one.
func notOurs(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, errTooMuch) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// reader names the one reader that FFmpeg may use for a type of file.
func reader(filetype string) string {
	if filetype == "video/mp4" {
		return "mov"
	}
	return "matroska"
}

// codecs are those of recorders.
const codecs = "vp8,vp9,libvpx,libvpx-vp9,h264,hevc,av1,libdav1d,libaom-av1,opus,libopus,vorbis,libvorbis,aac,alac,pcm_s16le,pcm_f32le"

// input are the arguments that say what is read: descriptor 3, and nothing else.
func input(filetype string) []string {
	return []string{
		"-protocol_whitelist", "file", "-format_whitelist", "mov,matroska", "-codec_whitelist", codecs, "-max_streams", "8",
		"-f", reader(filetype),
	}
}

const theFile = "file:/proc/self/fd/3"

// found is what ffprobe says of a file.
type found struct {
	video, audio *stream
}

type stream struct {
	Index    int    `json:"index"`
	Kind     string `json:"codec_type"`
	Codec    string `json:"codec_name"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	SideData []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
	Tags struct {
		Rotate string `json:"rotate"`
	} `json:"tags"`
}

func (f found) codecs() string {
	var names []string
	for _, s := range []*stream{f.video, f.audio} {
		if s != nil {
			names = append(names, s.Codec)
		}
	}
	return strings.Join(names, ",")
}

// upright returns the size as it is shown, and by how many degrees clockwise the picture is turned for that.
func (f found) upright() (w, h, rotation int) {
	v := f.video
	w, h = v.Width, v.Height
	if n, err := strconv.Atoi(v.Tags.Rotate); err == nil {
		rotation = n
	}
	for _, d := range v.SideData {
		if d.Rotation != 0 && !math.IsNaN(d.Rotation) && math.Abs(d.Rotation) <= 360 {
			rotation = -int(math.Round(d.Rotation))
		}
	}
	rotation = ((rotation % 360) + 360 + 45) / 90 * 90 % 360 // to whole quarters
	if rotation%180 != 0 {
		w, h = h, w
	}
	return w, h, rotation
}

var plainName = func(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

// probe asks for the streams of a file. Where it cannot be read there are none.
func (i *Inspector) probe(ctx context.Context, file *os.File, filetype string) (found, error) {
	var out text
	out.most = mostProbe
	args := append([]string{"-hide_banner", "-v", "quiet"}, input(filetype)...)
	args = append(args, "-show_entries", "stream=index,codec_type,codec_name,width,height:stream_side_data=rotation:stream_tags=rotate", "-of", "json", theFile)
	err := i.run(ctx, task{program: i.ffprobe, args: args, files: []*os.File{file}, out: []io.Writer{&out}, within: probeFor})
	if err != nil {
		return found{}, err
	}
	var answer struct {
		Streams []stream `json:"streams"`
	}
	if err := json.Unmarshal(out.b.Bytes(), &answer); err != nil {
		return found{}, nil
	}
	var f found
	for _, s := range answer.Streams {
		switch {
		case !plainName(s.Codec) || !slices.Contains(strings.Split(codecs, ","), s.Codec):
		case s.Kind == "video" && f.video == nil && s.Width > 0 && s.Height > 0 && s.Width <= mostSide && s.Height <= mostSide && s.Width*s.Height <= mostPixels:
			f.video = &s
		case s.Kind == "audio" && f.audio == nil:
			f.audio = &s
		}
	}
	return f, nil
}

// fit returns a size with the longer side as given, both sides even.
func fit(w, h, longer int) (int, int) {
	if w >= h {
		return longer, max(h*longer/w/2*2, 2)
	}
	return max(w*longer/h/2*2, 2), longer
}

// play decodes everything once and measures it.
func (i *Inspector) play(ctx context.Context, file *os.File, filetype string, f found, out *cases.Inspected) error {
	args := append([]string{
		"-hide_banner", "-nostdin", "-v", "error", "-threads", "1", "-filter_threads", "1", "-max_pixels", strconv.Itoa(mostPixels), "-t", strconv.Itoa(mostSecond),
	}, input(filetype)...)
	args = append(args, "-i", theFile)
	t := task{program: i.ffmpeg, within: playFor, files: []*os.File{file}}
	to := func(w io.Writer, options ...string) {
		// The first output is standard output, the others are descriptors after the file's.
		n := 1
		if len(t.out) > 0 {
			n = 3 + len(t.files) + len(t.out) - 1
		}
		args = append(append(args, options...), "pipe:"+strconv.Itoa(n))
		t.out = append(t.out, w)
	}
	var watcher *frames
	var sheet *sheetOf
	var stills jpegs
	var heard checks.Listener
	var samples bytes.Buffer
	if f.video != nil {
		video := "0:" + strconv.Itoa(f.video.Index)
		w, h := fit(out.Width, out.Height, checks.FrameSide)
		watcher = &frames{w: checks.NewWatcher(w, h), size: w * h}
		to(watcher, "-map", video, "-vf", fmt.Sprintf("fps=%d:start_time=0,scale=%d:%d", time.Second/checks.FrameEvery, w, h), "-pix_fmt", "gray", "-f", "rawvideo")
		sw, sh := fit(out.Width, out.Height, sheetSide)
		sheet = &sheetOf{w: sw, h: sh}
		to(sheet, "-map", video, "-vf", fmt.Sprintf("fps=1:start_time=0,scale=%d:%d", sw, sh), "-pix_fmt", "rgb24", "-f", "rawvideo")
		to(&stills, "-map", video, "-vf", fmt.Sprintf("fps=1/%d:start_time=0,scale=%d:%d", stillEvery, w, h), "-q:v", "3", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-f", "image2pipe")
	}
	if f.audio != nil {
		// Gaps are filled, so that the time of a sample is that of its prompt.
		to(io.MultiWriter(&heard, &samples), "-map", "0:"+strconv.Itoa(f.audio.Index), "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", strconv.Itoa(checks.SoundRate), "-f", "s16le", "-c:a", "pcm_s16le")
	}
	var said lines
	t.args, t.said = args, &said
	if err := notOurs(ctx, i.run(ctx, t)); err != nil {
		return err
	}
	out.Faults = said.n
	if watcher != nil {
		out.Moving = watcher.w.Moving()
		out.Sheet, out.SheetColumns, out.SheetEvery = sheet.jpeg(), sheetWidth, time.Second
		out.Stills = stills.all()
	}
	out.Heard, out.Samples = heard.Sound(), samples.Bytes()
	return nil
}

// remux makes a copy that can be played from anywhere: the same pictures and sound in a file that says where they are.
// Recorders in browsers write files without that. nil where it does not work.
func (i *Inspector) remux(ctx context.Context, file *os.File, filetype string, f found, size int64) ([]byte, string, error) {
	format, kind := "mp4", "video/mp4"
	if slices.Contains([]string{"vp8", "vp9"}, f.video.Codec) && filetype != "video/mp4" {
		format, kind = "webm", "video/webm"
	}
	copied, err := inMemory(strings.NewReader(""))
	if err != nil {
		return nil, "", fmt.Errorf("caseffmpeg: make room for a copy: %w", err)
	}
	defer copied.Close()
	args := append([]string{"-hide_banner", "-nostdin", "-v", "quiet", "-y", "-t", strconv.Itoa(mostSecond)}, input(filetype)...)
	args = append(args, "-i", theFile, "-map", "0:"+strconv.Itoa(f.video.Index))
	if f.audio != nil {
		args = append(args, "-map", "0:"+strconv.Itoa(f.audio.Index))
	}
	args = append(args, "-c", "copy", "-map_metadata", "-1", "-movflags", "+faststart", "-f", format, "file:/proc/self/fd/4")
	most := size + size/8 + 1<<20
	err = i.run(ctx, task{program: i.ffmpeg, args: args, files: []*os.File{file, copied}, within: copyFor, most: most})
	if err != nil {
		return nil, "", notOurs(ctx, err)
	}
	n, err := copied.Seek(0, io.SeekEnd)
	if err != nil || n == 0 || n > most {
		return nil, "", err
	}
	b := make([]byte, n)
	_, err = copied.ReadAt(b, 0)
	return b, kind, err
}
