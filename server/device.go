package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
)

// device is what a browser's User-Agent says of itself, put into the few words that are shown.
func device(c *fiber.Ctx) handoff.Device {
	ua := c.Get(fiber.HeaderUserAgent)
	if len(ua) > 512 {
		ua = ua[:512]
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(ua, w) {
				return true
			}
		}
		return false
	}
	d := handoff.Device{Kind: "unknown", OS: "unknown", Browser: "unknown"}
	switch {
	case has("iPhone", "iPod"):
		d.Kind, d.OS = "phone", "iOS"
	case has("iPad"):
		d.Kind, d.OS = "tablet", "iOS"
	case has("HarmonyOS", "OpenHarmony"):
		d.Kind, d.OS = "phone", "HarmonyOS"
	case has("Android"):
		d.Kind, d.OS = "tablet", "Android"
		if has("Mobile") {
			d.Kind = "phone"
		}
	case has("Windows"):
		d.Kind, d.OS = "computer", "Windows"
	case has("Macintosh", "Mac OS X"):
		d.Kind, d.OS = "computer", "macOS"
	case has("Linux", "X11", "CrOS"):
		d.Kind, d.OS = "computer", "Linux"
	}
	// The first that fits: almost everybody also says Chrome and Safari.
	for _, b := range [...]struct{ mark, name string }{
		{"MicroMessenger", "WeChat"}, {"AlipayClient", "Alipay"}, {"DingTalk", "DingTalk"}, {"EdgiOS", "Edge"}, {"EdgA", "Edge"}, {"Edg/", "Edge"},
		{"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"HuaweiBrowser", "Huawei Browser"}, {"MiuiBrowser", "Mi Browser"},
		{"UCBrowser", "UC Browser"}, {"QQBrowser", "QQ Browser"}, {"FxiOS", "Firefox"}, {"Firefox/", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if has(b.mark) {
			d.Browser = b.name
			break
		}
	}
	return d
}

// deviceClaim is what a native app says of itself.
type deviceClaim struct {
	Kind    string `json:"kind"`
	OS      string `json:"os"`
	Browser string `json:"browser"`
}

// over puts what an app says over what its User-Agent does. It is shown to a person, so it is
// a short plain word or nothing.
func (d *deviceClaim) over(base handoff.Device) (handoff.Device, []fault.Field) {
	if d == nil {
		return base, nil
	}
	var bad []fault.Field
	switch d.Kind {
	case "":
	case "phone", "tablet", "computer", "unknown":
		base.Kind = d.Kind
	default:
		bad = append(bad, fault.Field{Field: "device.kind", Code: "unknown", Detail: "One of phone, tablet, computer, unknown."})
	}
	for _, f := range [...]struct {
		name, from string
		to         *string
	}{{"device.os", d.OS, &base.OS}, {"device.browser", d.Browser, &base.Browser}} {
		if f.from == "" {
			continue
		}
		if !plainWord(f.from) {
			bad = append(bad, fault.Field{Field: f.name, Code: "invalid", Detail: "At most 32 letters, digits, spaces, dots and hyphens."})
			continue
		}
		*f.to = f.from
	}
	return base, bad
}

func plainWord(s string) bool {
	if len(s) > 32 || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(" .-_", r) {
			return false
		}
	}
	return true
}
