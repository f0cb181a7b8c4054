package casebundle

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
)

// A page is A4 in points.
const (
	pageWidth, pageHeight = 595.28, 841.89
	margin                = 56.0
	bodySize              = 9.5
	leading               = 1.45
)

// helvetica is the width of each printable ASCII character in thousandths of the size, from the font's public metrics.
var helvetica = [95]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

// pdf is a document of text: ASCII in Helvetica, which every viewer has, all else in the Song typeface that PDF names for Chinese
// and that viewers bring or replace. No font is inside, so the file stays small and this program needs none.
type pdf struct {
	pages []*bytes.Buffer
	y     float64
}

// line writes text at a size, broken to the width of the page; bold is for headings. indent is in points.
func (p *pdf) line(size, indent float64, bold bool, text string) {
	for _, row := range wrap(text, (pageWidth-2*margin-indent)*1000/size) {
		if len(p.pages) == 0 || p.y-size*leading < margin {
			p.pages = append(p.pages, &bytes.Buffer{})
			p.y = pageHeight - margin
		}
		p.y -= size * leading
		page := p.pages[len(p.pages)-1]
		fmt.Fprintf(page, "BT %.2f %.2f Td\n", margin+indent, p.y)
		for _, r := range runs(row) {
			if r.latin {
				font := "F1"
				if bold {
					font = "F2"
				}
				fmt.Fprintf(page, "/%s %.2f Tf (%s) Tj\n", font, size, strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`).Replace(r.text))
				continue
			}
			fmt.Fprintf(page, "/F3 %.2f Tf <", size)
			for _, u := range utf16.Encode([]rune(r.text)) {
				fmt.Fprintf(page, "%04X", u)
			}
			page.WriteString("> Tj\n")
		}
		page.WriteString("ET\n")
	}
}

func (p *pdf) gap(points float64) { p.y -= points }

type run struct {
	latin bool
	text  string
}

// runs splits a text where the font changes.
func runs(s string) []run {
	var out []run
	for _, r := range s {
		latin := r >= ' ' && r <= '~'
		if r < ' ' || r == 0x7f {
			latin, r = true, ' '
		}
		if len(out) == 0 || out[len(out)-1].latin != latin {
			out = append(out, run{latin: latin})
		}
		out[len(out)-1].text += string(r)
	}
	return out
}

func widthOf(r rune) float64 {
	if r >= ' ' && r <= '~' {
		return float64(helvetica[r-' '])
	}
	return 1000
}

// wrap breaks a text into rows of a width in thousandths of the size: at spaces, or anywhere within what has none.
func wrap(s string, width float64) []string {
	var rows []string
	for _, part := range strings.Split(s, "\n") {
		row, at, space := []rune{}, 0.0, -1
		for _, r := range part {
			row = append(row, r)
			if at += widthOf(r); r == ' ' {
				space = len(row)
			}
			if at <= width || len(row) < 2 {
				continue
			}
			cut := len(row) - 1
			if space > 0 && space < len(row) {
				cut = space
			}
			rows = append(rows, strings.TrimRight(string(row[:cut]), " "))
			row = append([]rune{}, row[cut:]...)
			at, space = 0, -1
			for _, r := range row {
				at += widthOf(r)
			}
		}
		rows = append(rows, string(row))
	}
	return rows
}

// bytes is the file.
func (p *pdf) bytes(title string) []byte {
	var b bytes.Buffer
	var at []int
	object := func(format string, args ...any) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n", len(at))
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\nendobj\n")
	}
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	const firstPage = 8
	kids := make([]string, len(p.pages))
	for i := range p.pages {
		kids[i] = fmt.Sprintf("%d 0 R", firstPage+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Count %d /Kids [%s] >>", len(kids), strings.Join(kids, " "))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
	object("<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H /DescendantFonts [6 0 R] >>")
	object("<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> " +
		"/FontDescriptor << /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >> /DW 1000 >>")
	object("<< /Title (%s) /Producer (Symbolon) >>", title)
	for i, page := range p.pages {
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.2f %.2f] /Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> /Contents %d 0 R >>",
			pageWidth, pageHeight, firstPage+2*i+1)
		object("<< /Length %d >>\nstream\n%s\nendstream", page.Len(), page.String())
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}
