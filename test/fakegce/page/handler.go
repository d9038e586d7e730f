package page

import (
	"embed"
	"encoding/json"
	"net/http"
)

//go:embed page.html *.css *.js icon.svg
var files embed.FS

// policy lets the page load its own files and nothing else; scripts cannot turn
// text into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the page at /, its files below /_emu/page/ and the graph at
// /_emu/graph. A snapshot is taken for every graph.
func Handler(snapshot func() Snapshot) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		serveFile(w, r, "page.html")
	})
	mux.HandleFunc("GET /_emu/page/{file}", func(w http.ResponseWriter, r *http.Request) {
		serveFile(w, r, r.PathValue("file"))
	})
	mux.HandleFunc("GET /_emu/graph", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		view := View{Project: q.Get("project"), Match: q.Get("match"), Open: map[string]bool{}}
		for _, path := range q["open"] {
			view.Open[path] = true
		}
		guard(w.Header())
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(NewGraph(snapshot(), view))
	})
	return mux
}

func serveFile(w http.ResponseWriter, r *http.Request, name string) {
	guard(w.Header())
	http.ServeFileFS(w, r, files, name)
}

// guard keeps the answer from being taken for something else, by anyone else.
func guard(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
}
