package server

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/media"
)

// The headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload).
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration"
	tusChecksums  = "sha1,sha256"
	pieceType     = "application/offset+octet-stream"

	headerResumable   = "Tus-Resumable"
	headerOffset      = "Upload-Offset"
	headerLength      = "Upload-Length"
	headerDeferLength = "Upload-Defer-Length"
	headerMetadata    = "Upload-Metadata"
	headerChecksum    = "Upload-Checksum"
	headerExpires     = "Upload-Expires"
	headerReprDigest  = "Repr-Digest"
)

// Failures of what the headers of an upload say.
var (
	errTusVersion = fault.New(fault.UnsupportedProtocol, "tus_version_unsupported", "Tus-Resumable must be 1.0.0.")
	errChecksum   = fault.New(fault.Malformed, "upload_checksum_invalid", "Upload-Checksum is sha1 or sha256, a space and the digest in base64.")
	errMetadata   = fault.New(fault.Malformed, "upload_metadata_invalid", "Upload-Metadata must name the case and the step, each value in base64.")
	errPieceType  = fault.New(fault.Unsupported, "content_type_unsupported", "Bytes of an upload are application/offset+octet-stream.")
	errEmptyPiece = fault.New(fault.Malformed, "upload_empty_chunk", "There are no bytes here. Upload-Length equal to the offset would complete the upload.")
)

// badHeader names a header that is missing or cannot be read.
func badHeader(name string) error {
	return fault.New(fault.Malformed, "upload_header_invalid", name+" is missing or cannot be read.")
}

// badMetadata names a member of the metadata, one of ours, that is missing or cannot be read.
func badMetadata(name string) error {
	return fault.New(fault.Malformed, errMetadata.Code, `The member "`+name+`" of Upload-Metadata is missing or cannot be read.`)
}

// Bounds of what metadata may be.
const (
	maxMetadata      = 2048
	maxMetadataValue = 128
)

// tus is the middleware of the calls that tus defines: one version is spoken.
func tus(c *fiber.Ctx) error {
	c.Set(headerResumable, tusVersion)
	if v, n := oneHeader(c, headerResumable); n != 1 || v != tusVersion {
		c.Set("Tus-Version", tusVersion)
		return errTusVersion
	}
	return c.Next()
}

// tusOptions tells what is spoken.
func tusOptions(c *fiber.Ctx) error {
	c.Set(headerResumable, tusVersion)
	c.Set("Tus-Version", tusVersion)
	c.Set("Tus-Extension", tusExtensions)
	c.Set("Tus-Checksum-Algorithm", tusChecksums)
	c.Status(fiber.StatusNoContent)
	return nil
}

// oneHeader returns a copy of a header's first value and how many there are. (The next PeekAll
// writes over what the one before returned.)
func oneHeader(c *fiber.Ctx, name string) (value string, n int) {
	lines := c.Request().Header.PeekAll(name)
	if len(lines) == 0 {
		return "", 0
	}
	return strings.TrimSpace(string(lines[0])), len(lines)
}

// byteCount reads a header that is a number of bytes: -1 when it is absent.
func byteCount(c *fiber.Ctx, name string) (int64, error) {
	text, n := oneHeader(c, name)
	if n == 0 {
		return -1, nil
	}
	v, err := strconv.ParseUint(text, 10, 62)
	if n > 1 || err != nil {
		return 0, badHeader(name)
	}
	return int64(v), nil
}

// declaredLength reads Upload-Length or Upload-Defer-Length of a creation: -1 when it is deferred.
func declaredLength(c *fiber.Ctx) (int64, error) {
	length, err := byteCount(c, headerLength)
	if err != nil {
		return 0, err
	}
	deferred, n := oneHeader(c, headerDeferLength)
	switch {
	case n > 1, n == 1 && deferred != "1", n == 1 && length >= 0:
		return 0, badHeader(headerDeferLength)
	case n == 0 && length < 0:
		return 0, badHeader(headerLength)
	}
	return length, nil
}

// checksum reads Upload-Checksum; nil when it is absent.
func checksum(c *fiber.Ctx) (*media.Checksum, error) {
	text, n := oneHeader(c, headerChecksum)
	if n == 0 {
		return nil, nil
	}
	algorithm, digest, ok := strings.Cut(text, " ")
	size := map[string]int{"sha1": 20, "sha256": 32}[algorithm]
	if n > 1 || !ok || size == 0 || len(digest) > 64 {
		return nil, errChecksum
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(digest)
	if err != nil || len(sum) != size {
		return nil, errChecksum
	}
	return &media.Checksum{Algorithm: algorithm, Sum: sum}, nil
}

// metadata is what a creation says of the take.
type metadata struct {
	caseID, step, filetype, challenge, role string
}

// names of metadata, in the order in which HEAD gives them back.
func (m *metadata) members() []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{{"case", &m.caseID}, {"step", &m.step}, {"filetype", &m.filetype}, {"challenge", &m.challenge}, {"role", &m.role}}
}

// readMetadata reads Upload-Metadata, and the query for what it does not name. Names that are
// not ours are passed over: clients add a file's name and date by themselves.
func readMetadata(c *fiber.Ctx) (metadata, error) {
	var m metadata
	text, n := oneHeader(c, headerMetadata)
	if n > 1 || len(text) > maxMetadata {
		return m, errMetadata
	}
	given, err := parseMetadata(text)
	if err != nil {
		return m, err
	}
	for _, f := range m.members() {
		value, ok := given[f.name]
		if !ok {
			value = c.Query(f.name)
		}
		if len(value) > maxMetadataValue || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return m, badMetadata(f.name)
		}
		*f.value = strings.Clone(value)
	}
	switch {
	case m.caseID == "":
		return m, badMetadata("case")
	case m.step == "":
		return m, badMetadata("step")
	case m.role != "" && m.role != "still":
		return m, badMetadata("role")
	}
	m.filetype, _, _ = strings.Cut(strings.ToLower(m.filetype), ";") // MediaRecorder says "video/webm;codecs=vp8"
	return m, nil
}

// parseMetadata reads pairs of a name and a value in base64, separated by commas.
func parseMetadata(text string) (map[string]string, error) {
	given := map[string]string{}
	if text == "" {
		return given, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if _, twice := given[name]; name == "" || twice || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errMetadata
		}
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, errMetadata
		}
		given[name] = string(value)
	}
	return given, nil
}

// writeMetadata is what HEAD gives back.
func writeMetadata(info media.Info) string {
	m := metadata{info.CaseID, info.Step, info.Filetype, info.ChallengeID, info.Role}
	var pairs []string
	for _, f := range m.members() {
		if *f.value != "" {
			pairs = append(pairs, f.name+" "+base64.StdEncoding.EncodeToString([]byte(*f.value)))
		}
	}
	return strings.Join(pairs, ",")
}

// tell puts the state of an upload into the headers of the answer, whatever the answer is.
func tell(c *fiber.Ctx, st media.Status) {
	if st.ID == "" {
		return
	}
	c.Set(headerOffset, strconv.FormatInt(st.Offset, 10))
	if st.Complete {
		c.Set(headerReprDigest, "sha-256=:"+base64.StdEncoding.EncodeToString(st.SHA256)+":")
	} else {
		c.Set(headerExpires, st.ExpiresAt.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	}
}

func hexOrNil(sum []byte) *string {
	if sum == nil {
		return nil
	}
	s := hex.EncodeToString(sum)
	return &s
}
