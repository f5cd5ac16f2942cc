package web

import (
	_ "embed"
	"strings"
)

// Client is the browser client, an ES module. Its names are exported by its
// last statement.
//
//go:embed client/stentor.js
var Client string

// GlobalClient returns the client as a script that needs no module: it makes the
// class Stentor a global one, with the other names in it. client/build.js makes
// the same.
func GlobalClient() string {
	body, names, ok := strings.Cut(Client, "\nexport {")
	if !ok {
		panic("client/stentor.js does not end with its exports")
	}
	names, _, _ = strings.Cut(names, "}")
	return "(() => {\n" + body + "\nglobalThis.Stentor = Object.assign(Stentor, {" + names + "});\n})();\n"
}
