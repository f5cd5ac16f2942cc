package gateway

import (
	"encoding/json"
	"strings"
	"sync"

	"stentor/web"
)

// description is the OpenAPI document of the API, with this program's version.
var description = sync.OnceValue(func() string {
	version, _ := json.Marshal(Version()) // of a string: it cannot fail
	return strings.Replace(web.OpenAPI, `"VERSION"`, string(version), 1)
})
