// Package web holds the pages that the gateway serves, embedded.
package web

import (
	"embed"
	"io/fs"
)

//go:embed assets
var embedded embed.FS

// Assets is the files of the pages; index.html is the first.
var Assets fs.FS = must(fs.Sub(embedded, "assets"))

// OpenAPI is the description of the HTTP API, with "VERSION" for the version.
//
//go:embed openapi.json
var OpenAPI string

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return v
}
