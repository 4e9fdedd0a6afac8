package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"time"
)

// pageFiles is the page for people: plain HTML, CSS and JavaScript, served as they are.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page use what this server has, and nothing else: no script or style within its text, nothing of another host.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageTypes are what the page consists of. The machine's own table is not asked: browsers take no script of another type.
var pageTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml"}

// pageRoutes are the page at / and its files beside it.
func pageRoutes() ([]route, error) {
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	var all []route
	for _, f := range files {
		serve, err := pageFile(f.Name())
		if err != nil {
			return nil, err
		}
		if f.Name() == "index.html" {
			all = append(all, route{"GET /{$}", Viewer, cheap, serve})
		}
		all = append(all, route{"GET /" + f.Name(), Viewer, cheap, serve})
	}
	return all, nil
}

// pageFile serves a file of the page. A browser asks each time whether it has changed, so that page and program are of one version.
func pageFile(name string) (func(http.ResponseWriter, *request) error, error) {
	body, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	contentType, ok := pageTypes[path.Ext(name)]
	if !ok {
		return nil, fmt.Errorf("reading the page: %s is of no type that it consists of", name)
	}
	return func(w http.ResponseWriter, r *request) error {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		h.Set("Etag", etag)
		http.ServeContent(w, r.Request, name, time.Time{}, bytes.NewReader(body))
		return nil
	}, nil
}
