package checks

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // photos
	_ "image/png"  // photos
	"io"
)

// Limits of a document photo, in pixels. A side shorter than minShort cannot be read;
// more than maxPixels is refused before it is decoded, so that a small file cannot fill
// the memory.
const (
	minShort  = 480
	maxPixels = 50_000_000
)

// Errors of photos.
var (
	ErrPhotoUnreadable = errors.New("checks: photo cannot be decoded")
	ErrPhotoTooSmall   = errors.New("checks: photo has too few pixels")
	ErrPhotoTooLarge   = errors.New("checks: photo has too many pixels")
)

// Photo is what a decoded photo is.
type Photo struct {
	Format        string // "jpeg" or "png"
	Width, Height int    // pixels
	Image         image.Image
}

// DecodePhoto decodes the whole photo, so that one that breaks off or lies about itself is
// found. The memory it needs is bounded by maxPixels; Examine makes do with less, so let go of Image soon.
func DecodePhoto(r io.ReaderAt, size int64) (Photo, error) {
	cfg, format, err := image.DecodeConfig(io.NewSectionReader(r, 0, size))
	if err != nil {
		return Photo{}, fmt.Errorf("%w: header: %v", ErrPhotoUnreadable, err)
	}
	p := Photo{Format: format, Width: cfg.Width, Height: cfg.Height}
	switch {
	case cfg.Width <= 0 || cfg.Height <= 0:
		return p, ErrPhotoUnreadable
	case cfg.Width > maxPixels/cfg.Height:
		return p, ErrPhotoTooLarge
	case min(cfg.Width, cfg.Height) < minShort:
		return p, ErrPhotoTooSmall
	}
	if p.Image, _, err = image.Decode(io.NewSectionReader(r, 0, size)); err != nil {
		return p, fmt.Errorf("%w: pixels: %v", ErrPhotoUnreadable, err)
	}
	return p, nil
}

// Sniff returns the media type of a file by its first bytes, or "" when it is none that is
// taken: image/jpeg, image/png, video/mp4, video/webm, video/x-matroska. A declared type never counts.
func Sniff(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png"
	case len(head) >= 12 && string(head[4:8]) == "ftyp" && videoBrands[string(head[8:12])]:
		return "video/mp4"
	case bytes.HasPrefix(head, []byte("\x1a\x45\xdf\xa3")):
		// EBML: the DocType element (0x4282) within the header names the format.
		i := bytes.Index(head, []byte{0x42, 0x82})
		if i < 0 || i+3 > len(head) {
			return ""
		}
		rest := head[i+3:]
		switch {
		case bytes.HasPrefix(rest, []byte("webm")):
			return "video/webm"
		case bytes.HasPrefix(rest, []byte("matroska")):
			return "video/x-matroska"
		}
	}
	return ""
}

// videoBrands are the major brands (ISO/IEC 14496-12) of recordings; HEIC and AVIF pictures share the
// container and are not among them.
var videoBrands = map[string]bool{
	"isom": true, "iso2": true, "iso4": true, "iso5": true, "iso6": true,
	"mp41": true, "mp42": true, "avc1": true, "M4V ": true, "qt  ": true,
}
