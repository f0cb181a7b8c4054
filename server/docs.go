package server

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gofiber/fiber/v2"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the contract of this server, an OpenAPI document in YAML.
func OpenAPI() []byte { return bytes.Clone(openAPI) }

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS []byte

// docsPage is the contract for people, made when it is first asked for.
var docsPage = sync.OnceValues(func() ([]byte, error) { return renderDocs(openAPI) })

func (s *Server) docsRoutes(r fiber.Router) {
	r.Get("/openapi.yaml", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-cache")
		c.Set(fiber.HeaderContentType, "application/yaml; charset=utf-8")
		c.Response().SetBodyRaw(openAPI)
		return nil
	})
	r.Get("/docs", func(c *fiber.Ctx) error {
		page, err := docsPage()
		if err != nil {
			return err
		}
		s.plainPage(c)
		c.Response().SetBodyRaw(page)
		return nil
	})
	r.Get("/docs.css", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-cache")
		c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
		c.Response().SetBodyRaw(docsCSS)
		return nil
	})
	s.trustRoutes(r)
}

// plainPage sets the headers of a page that has a style sheet and nothing else.
func (s *Server) plainPage(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
}

// What the page shows.
type docsData struct {
	Title, Text string
	Groups      []docsGroup
	Schemas     []docsSchema
	Common      []docsCode
	Codes       []docsCode
}

type docsGroup struct {
	Name, Text string
	Calls      []docsCall
}

type docsCall struct {
	ID, Method, Path, Summary, Text string
	Auth                            []string
	Params                          []docsMember
	Request                         []docsBody
	Answers                         []docsAnswer
	Codes                           []docsCode
}

type docsAnswer struct {
	Status, Text string
	Headers      []docsMember
	Bodies       []docsBody
}

type docsBody struct {
	Type    string
	Schema  string // a name in Schemas, or ""
	Members []docsMember
}

type docsMember struct {
	Name, In, Type, Link, Text string
	Required                   bool
}

type docsSchema struct {
	Name, Type, Text string
	Members          []docsMember
}

type docsCode struct {
	Code, Detail string
	Status       int
}

// renderDocs makes the page from an OpenAPI document of the form of ours.
func renderDocs(document []byte) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("server: read openapi.yaml: %w", err)
	}
	data := docsData{Title: doc.Info.Title, Text: doc.Info.Description}
	codes := map[string]docsCode{}
	catalogue, _ := doc.Extensions["x-problem-codes"].(map[string]any)
	for code, v := range catalogue {
		entry, _ := v.(map[string]any)
		status, _ := entry["status"].(float64)
		codes[code] = docsCode{Code: code, Status: int(status), Detail: fmt.Sprint(entry["detail"])}
		data.Codes = append(data.Codes, codes[code])
	}
	slices.SortFunc(data.Codes, func(a, b docsCode) int { return strings.Compare(a.Code, b.Code) })
	data.Common = codesOf(codes, doc.Extensions["x-common-problems"])

	order := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	for _, tag := range doc.Tags {
		g := docsGroup{Name: tag.Name, Text: tag.Description}
		for _, path := range doc.Paths.InMatchingOrder() {
			item := doc.Paths.Value(path)
			for _, method := range order {
				if op := item.Operations()[method]; op != nil && slices.Contains(op.Tags, tag.Name) {
					g.Calls = append(g.Calls, docsCallOf(doc, codes, method, path, item, op))
				}
			}
		}
		slices.SortStableFunc(g.Calls, func(a, b docsCall) int { return strings.Compare(a.Path, b.Path) })
		data.Groups = append(data.Groups, g)
	}
	for name, ref := range doc.Components.Schemas {
		sch := docsSchema{Name: name, Text: ref.Value.Description, Members: membersOf(ref.Value)}
		sch.Type, _ = typeText(&openapi3.SchemaRef{Value: ref.Value})
		data.Schemas = append(data.Schemas, sch)
	}
	slices.SortFunc(data.Schemas, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })

	page, err := template.New("docs").Funcs(template.FuncMap{"paragraphs": paragraphs}).Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func codesOf(codes map[string]docsCode, list any) []docsCode {
	var out []docsCode
	names, _ := list.([]any)
	for _, n := range names {
		if name, ok := n.(string); ok {
			out = append(out, codes[name])
		}
	}
	return out
}

func docsCallOf(doc *openapi3.T, codes map[string]docsCode, method, path string, item *openapi3.PathItem, op *openapi3.Operation) docsCall {
	c := docsCall{
		ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Text: op.Description,
		Codes: codesOf(codes, op.Extensions["x-problems"]),
	}
	auth := doc.Security
	if op.Security != nil {
		auth = *op.Security
	}
	for _, way := range auth {
		for name := range way {
			c.Auth = append(c.Auth, name)
		}
	}
	for _, ref := range append(slices.Clone(item.Parameters), op.Parameters...) {
		p := ref.Value
		m := docsMember{Name: p.Name, In: p.In, Required: p.Required, Text: firstOf(p.Description, p.Schema.Value.Description)}
		m.Type, m.Link = typeText(p.Schema)
		c.Params = append(c.Params, m)
	}
	if op.RequestBody != nil {
		c.Request = bodiesOf(op.RequestBody.Value.Content)
	}
	for status, ref := range op.Responses.Map() {
		if status == "default" {
			continue
		}
		a := docsAnswer{Status: status, Text: firstOf(*ref.Value.Description), Bodies: bodiesOf(ref.Value.Content)}
		for name, h := range ref.Value.Headers {
			m := docsMember{Name: name, In: "header", Required: h.Value.Required, Text: h.Value.Description}
			m.Type, _ = typeText(h.Value.Schema)
			a.Headers = append(a.Headers, m)
		}
		slices.SortFunc(a.Headers, func(x, y docsMember) int { return strings.Compare(x.Name, y.Name) })
		c.Answers = append(c.Answers, a)
	}
	slices.SortFunc(c.Answers, func(a, b docsAnswer) int { return strings.Compare(a.Status, b.Status) })
	return c
}

func bodiesOf(content openapi3.Content) []docsBody {
	var out []docsBody
	for ct, m := range content {
		b := docsBody{Type: ct, Schema: refName(m.Schema)}
		if b.Schema == "" {
			b.Members = membersOf(m.Schema.Value)
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b docsBody) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// membersOf lists an object's members; those of inner objects follow with dotted names.
func membersOf(s *openapi3.Schema) []docsMember {
	var out []docsMember
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { // the needed ones first, as they are listed
		return comparePlaces(slices.Index(s.Required, a), slices.Index(s.Required, b), a, b)
	})
	for _, name := range names {
		ref := s.Properties[name]
		m := docsMember{Name: name, Required: slices.Contains(s.Required, name), Text: ref.Value.Description}
		m.Type, m.Link = typeText(ref)
		out = append(out, m)
		inner, prefix := ref, name+"."
		if ref.Ref == "" && ref.Value.Items != nil {
			inner, prefix = ref.Value.Items, name+"[]."
		}
		if inner.Ref == "" {
			for _, sub := range membersOf(inner.Value) {
				sub.Name = prefix + sub.Name
				out = append(out, sub)
			}
		}
	}
	return out
}

func comparePlaces(i, j int, a, b string) int {
	switch {
	case i >= 0 && j >= 0:
		return i - j
	case i >= 0:
		return -1
	case j >= 0:
		return 1
	}
	return strings.Compare(a, b)
}

// typeText says a type in words, with the name of the schema it links to.
func typeText(ref *openapi3.SchemaRef) (text, link string) {
	s := ref.Value
	orNull := ""
	if s.Nullable {
		orNull = " or null"
	}
	if name := refName(ref); name != "" {
		return name + orNull, name
	}
	if len(s.AllOf) == 1 {
		text, link = typeText(s.AllOf[0])
		return text + orNull, link
	}
	if s.Items != nil {
		text, link = typeText(s.Items)
		return "list of " + text + orNull, link
	}
	if len(s.OneOf) > 0 {
		names := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			names[i] = refName(one)
		}
		return "one of " + strings.Join(names, ", ") + orNull, ""
	}
	text = strings.Join(s.Type.Slice(), ", ")
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = fmt.Sprint(e)
		}
		text += ": " + strings.Join(words, " | ")
	}
	if s.Pattern != "" {
		text += " " + s.Pattern
	}
	if s.MaxLength != nil {
		text += ", at most " + strconv.FormatUint(*s.MaxLength, 10) + " characters"
	}
	if s.Min != nil && s.Max != nil {
		text += fmt.Sprintf(", %v to %v", *s.Min, *s.Max)
	}
	return text + orNull, ""
}

func refName(ref *openapi3.SchemaRef) string {
	name, _ := strings.CutPrefix(ref.Ref, "#/components/schemas/")
	return name
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// span is a piece of a text; Code marks what stood between backquotes.
type span struct {
	Text string
	Code bool
}

// paragraphs splits a description at blank lines and backquotes.
func paragraphs(text string) [][]span {
	var out [][]span
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var spans []span
		for i, piece := range strings.Split(p, "`") {
			if piece != "" {
				spans = append(spans, span{piece, i%2 == 1})
			}
		}
		if len(spans) > 0 {
			out = append(out, spans)
		}
	}
	return out
}
