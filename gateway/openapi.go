package gateway

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"sync"

	"stentor/web"
)

// description is the OpenAPI document of the API, with this program's version.
var description = sync.OnceValues(func() ([]byte, error) {
	document, err := fs.ReadFile(web.Assets, "openapi.json")
	if err != nil {
		return nil, err
	}
	version, err := json.Marshal(Version())
	return bytes.Replace(document, []byte(`"VERSION"`), version, 1), err
})

// describe tells everybody what the API is.
func describe(w http.ResponseWriter, _ *http.Request) {
	document, err := description()
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(document)
}
