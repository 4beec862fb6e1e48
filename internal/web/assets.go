package web

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Assets are the style sheets, scripts and icons of a room. Each is served under
// a name with a hash of its content: browsers may cache it for ever and still
// load the new one after an upgrade.
type Assets struct {
	byName map[string][]byte // by the name with the hash
	names  map[string]string // the name with the hash, by file
}

// LoadAssets reads the embedded files of the folder assets. It panics if the folder
// is missing.
func LoadAssets(files fs.FS) Assets {
	a := Assets{map[string][]byte{}, map[string]string{}}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(err) // the files are embedded
	}
	for _, e := range entries {
		content, err := fs.ReadFile(files, "assets/"+e.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(e.Name())
		hash := sha256.Sum256(content)
		name := fmt.Sprintf("%s-%x%s", strings.TrimSuffix(e.Name(), ext), hash[:6], ext)
		a.byName[name], a.names[e.Name()] = content, name
	}
	return a
}

// Name returns the name with the hash for a file of the folder, "" if there is
// no such file.
func (a Assets) Name(file string) string { return a.names[file] }

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// Serve answers with the asset that has this name with hash, or 404.
func (a Assets) Serve(w http.ResponseWriter, r *http.Request, name string) {
	content, ok := a.byName[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // the browser may have gone away
}
