// Package web carries the built browser apps inside the program.
//
// `npm run build` in this directory fills dist; without it the program still compiles and
// serves no pages.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the built pages: index.html (desk), h.html (phone) and assets/, whose names
// carry a hash of their content and may be cached for ever.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		// "dist" is a constant and a valid path: fs.Sub cannot refuse it.
		panic(err)
	}
	return sub
}

// Built reports whether the pages were there when the program was compiled.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}
