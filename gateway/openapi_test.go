package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// contract holds requests and answers to the OpenAPI document.
type contract struct{ doc *openapi3.T }

// newContract reads the document that is served, with something removed if
// names lead there. An object may have no fields but those that it names: the
// document says so of requests, which are refused otherwise, but leaves it open
// for answers, where more may come.
func newContract(names ...string) (*contract, error) {
	var tree map[string]any
	if err := json.Unmarshal([]byte(description()), &tree); err != nil {
		return nil, err
	}
	if len(names) > 0 {
		at, last := tree, len(names)-1
		for _, name := range names[:last] {
			at, _ = at[name].(map[string]any)
		}
		if _, ok := at[names[last]]; !ok {
			return nil, fmt.Errorf("there is no %q to remove", names)
		}
		delete(at, names[last])
	}
	closeObjects(tree)
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return &contract{doc}, nil
}

func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, open := node["additionalProperties"]; !open && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, below := range node {
			closeObjects(below)
		}
	case []any:
		for _, below := range node {
			closeObjects(below)
		}
	}
}

var theContract = sync.OnceValues(func() (*contract, error) {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder) // takes any text
	return newContract()
})

// exchange is a request and its answer.
type exchange struct {
	request *http.Request // its body has been read
	body    []byte
	status  int
	header  http.Header
	answer  []byte
}

// check tells what an exchange has that the document has not. A request may be
// wrong if it was refused.
func (c *contract) check(e *exchange) error {
	route, params := c.find(e.request)
	switch {
	case route.Path == "":
		return c.refused(e, http.StatusNotFound, "not_found")
	case route.Operation == nil:
		return c.refused(e, http.StatusMethodNotAllowed, "method_not_allowed")
	}
	request := e.request.Clone(context.Background())
	request.Body = io.NopCloser(bytes.NewReader(e.body))
	request.Header.Set("Content-Type", "application/json") // it is not looked at
	if len(e.body) == 0 {
		request.Body = nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, Route: route, PathParams: params, QueryParams: request.URL.Query(),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
			AuthenticationFunc: func(context.Context, *openapi3filter.AuthenticationInput) error {
				if scheme, _, _ := strings.Cut(request.Header.Get("Authorization"), " "); !strings.EqualFold(scheme, "Bearer") {
					return errors.New("without a secret")
				}
				return nil
			},
		},
	}
	if e.status == http.StatusOK {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return fmt.Errorf("answered with 200, though: %w", err)
		}
		for name := range request.URL.Query() {
			if route.Operation.Parameters.GetByInAndName("query", name) == nil {
				return fmt.Errorf("answered with 200, though there is no parameter %q", name)
			}
		}
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Options: input.Options,
		Status: e.status, Header: e.header, Body: io.NopCloser(bytes.NewReader(e.answer)),
	})
}

// find finds the operation that a request is for. The route has no Path if there
// is no such path, and no Operation if the path has no such method.
func (c *contract) find(r *http.Request) (*routers.Route, map[string]string) {
	parts := strings.Split(r.URL.EscapedPath(), "/")
next:
	for known, item := range c.doc.Paths.Map() {
		names := strings.Split(known, "/")
		if len(names) != len(parts) {
			continue
		}
		params := map[string]string{}
		for i, name := range names {
			if param, ok := strings.CutPrefix(name, "{"); ok && parts[i] != "" {
				params[strings.TrimSuffix(param, "}")], _ = url.PathUnescape(parts[i])
			} else if name != parts[i] {
				continue next
			}
		}
		return &routers.Route{Spec: c.doc, Path: known, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)}, params
	}
	return &routers.Route{}, nil
}

// refused demands an error that belongs to no operation.
func (c *contract) refused(e *exchange, status int, code string) error {
	var value any
	if err := json.Unmarshal(e.answer, &value); err != nil {
		return err
	}
	if e.status != status || codeOf(string(e.answer)) != code {
		return fmt.Errorf("the document has no such path or method, want %d %s", status, code)
	}
	return c.doc.Components.Schemas["Error"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
}

// holds checks an exchange, if it is one of the API.
func (s *server) holds(e *exchange) {
	s.t.Helper()
	if p := e.request.URL.EscapedPath(); !below(p, "/api") && !below(path.Clean(p), "/api") {
		return
	}
	c, err := theContract()
	if err == nil {
		err = c.check(e)
	}
	if err != nil {
		s.t.Errorf("web/openapi.json does not describe %s %s %.200s: %d %.200s: %v",
			e.request.Method, e.request.URL, e.body, e.status, e.answer, err)
	}
}

func TestOpenAPIIsValid(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if c.doc.OpenAPI != "3.1.0" || c.doc.Info.Version != Version() {
		t.Errorf("OpenAPI %s, version %s, want %s", c.doc.OpenAPI, c.doc.Info.Version, Version())
	}
	for _, removed := range [][]string{{"info", "title"}, {"components", "schemas", "Delivery"}, {"components", "schemas", "Delivery", "properties", "matched"}} {
		c, err := newContract(removed...)
		if err == nil {
			err = c.doc.Validate(t.Context())
		}
		if err == nil {
			t.Errorf("without %q the document is valid, too", removed)
		}
	}
}

// What the document does not have is noticed.
func TestOpenAPIBites(t *testing.T) {
	s := newTest(t, nil)
	const publication = `{"to":{"all":true},"wait":true}`
	for _, c := range []struct {
		method, path, secret, body string
		removed                    []string
	}{
		{"POST", "/api/publish", "dev-secret", publication, nil},
		{"POST", "/api/publish", "dev-secret", publication, []string{"paths", "/api/publish"}},
		{"POST", "/api/publish", "dev-secret", publication, []string{"paths", "/api/publish", "post", "responses", "200"}},
		{"POST", "/api/publish", "dev-secret", publication, []string{"components", "schemas", "Publication", "properties", "wait"}},
		{"POST", "/api/publish", "dev-secret", publication, []string{"components", "schemas", "Publication", "properties", "to", "properties", "all"}},
		{"POST", "/api/publish", "dev-secret", publication, []string{"components", "schemas", "Delivery", "properties", "matched"}},
		{"POST", "/api/publish", "dev-secret", publication, []string{"components", "schemas", "Delivery", "properties", "dropped"}},
		{"POST", "/api/publish", "", publication, nil},
		{"POST", "/api/publish", "", publication, []string{"paths", "/api/publish", "post", "responses", "401"}},
		{"POST", "/api/publish", "", publication, []string{"components", "schemas", "Error", "properties", "error", "properties", "code"}},
		{"GET", "/api/channels?prefix=a", "dev-secret", "", nil},
		{"GET", "/api/channels?prefix=a", "dev-secret", "", []string{"paths", "/api/channels", "get", "parameters"}},
		{"GET", "/api/nothing", "dev-secret", "", nil},
		{"GET", "/api/nothing", "dev-secret", "", []string{"components", "schemas", "Error", "properties", "error", "properties", "message"}},
		{"GET", "/api/publish", "dev-secret", "", nil},
		{"POST", "/api/users/ann/disconnect", "dev-secret", `{"reason":"x"}`, nil},
		{"POST", "/api/users/ann/disconnect", "dev-secret", `{"reason":"x"}`, []string{"paths", "/api/users/{user}/disconnect", "post", "requestBody"}},
		{"POST", "/api/users/ann/disconnect", "dev-secret", ``, nil},
	} {
		contract, err := newContract(c.removed...)
		if err != nil {
			t.Errorf("without %q: %v", c.removed, err)
			continue
		}
		e := s.roundTrip(s.request(c.method, s.addr, c.path, c.secret, c.body))
		if err := contract.check(e); (err == nil) != (c.removed == nil) {
			t.Errorf("%s %s %s: %d %s, without %q: %v", c.method, c.path, c.body, e.status, e.answer, c.removed, err)
		}
	}
	// A request that the document refuses must not be answered with 200.
	contract, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		``, `{}`, `{"to":{}}`, `{"to":{"channels":[]}}`, `{"to":{"channels":["a b"]}}`, `{"to":{"channels":[".."]}}`,
		`{"to":{"users":["a\u0085"]}}`, `{"to":{"all":false}}`, `{"to":{"all":true,"nobody":true}}`, `{"to":{"all":true},"event":""}`,
		`{"to":{"all":true},"encoding":"hex"}`, `{"to":{"all":true},"encoding":"base64"}`, `{"to":{"all":true},"data":1,"encoding":"base64"}`,
		`{"to":{"clients":["x"]}}`, `{"to":{"all":true},"except":{"users":[""]}}`, `{"to":{"all":true},"except":{"clients":[""]}}`, `{"to":{"all":true},"wait":1}`, `{"to":{"all":true},"x":1}`,
	} {
		e := s.roundTrip(s.request("POST", s.addr, "/api/publish", "dev-secret", body))
		if err := contract.check(e); err != nil || e.status != 400 {
			t.Errorf("%s: %d, %v", body, e.status, err)
		}
		e.status, e.answer = 200, []byte(`{"matched":0}`)
		if err := contract.check(e); err == nil || !strings.Contains(err.Error(), "answered with 200") {
			t.Errorf("%s is allowed: %v", body, err)
		}
	}
}

// Both are there for everybody, on both listeners, with what the page needs. The
// other pages are for the public one.
func TestOpenAPIIsServed(t *testing.T) {
	s := newTest(t, nil)
	get := func(address, path string) *exchange { return s.do(s.request("GET", address, path, "", "")) }
	links := regexp.MustCompile(`"(/[^"]+)"`)
	for _, address := range []string{s.addr, s.admin} {
		e := get(address, "/api/openapi.json")
		if e.status != 200 || e.header.Get("Content-Type") != "application/json" || string(e.answer) != description() {
			t.Errorf("%d %v %.80s", e.status, e.header, e.answer)
		}
		s.sameAgain(address, "/api/openapi.json")
		page := get(address, "/api")
		if page.status != 200 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("the page: %d %v", page.status, page.header)
		}
		needs := append(page.answer, get(address, "/assets/api.js").answer...)
		found := links.FindAllSubmatch(needs, -1)
		for _, link := range found {
			if e := get(address, string(link[1])); e.status != 200 {
				t.Errorf("the page needs %s: %d", link[1], e.status)
			}
		}
		if len(found) < 6 {
			t.Errorf("the page needs %q only?", found)
		}
		for _, p := range []string{"/api", "/api/openapi.json"} {
			if e := s.do(s.request("POST", address, p, "", "")); e.status != 405 {
				t.Errorf("POST %s: %d %s", p, e.status, e.answer)
			}
		}
		for _, p := range []string{"/assets/openapi.json", "/assets/nothing", "/openapi.json"} {
			if e := get(address, p); e.status != 404 {
				t.Errorf("%s: %d", p, e.status)
			}
		}
	}
	for _, p := range []string{"/", "/chat", "/stentor.js", "/assets/", "/assets/index.js", "/assets/chat.html", "/assets/chat.js", "/assets/chat.css"} {
		if public, admin := get(s.addr, p).status, get(s.admin, p).status; public != 200 || admin != 404 {
			t.Errorf("%s: %d on the public listener, %d on the admin's", p, public, admin)
		}
	}
}

// tooMuch is a size that a body may not have.
var tooMuch = map[string]int{
	"publish": bodyRoom + 2*65536 + 1, "publishBatch": bodyRoom + 1,
	"disconnectUser": smallBody + 1, "disconnectClient": smallBody + 1, "subscribeClient": smallBody + 1, "unsubscribeClient": smallBody + 1,
}

// Each answer that an operation may get is one that it gets, and its examples
// work as they are.
func TestOpenAPIStatuses(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	s := newTest(t, nil)
	hasty := newTest(t, nil, func(g *Gateway) { g.bodyTime = 50 * time.Millisecond })
	full := newTest(t, func(c *Config) { c.Limits.MaxHTTPConnections = 1 })
	disabled := newTest(t, func(c *Config) {
		a := developmentApp()
		a.Development, a.Disabled = false, true
		c.Apps = []App{a}
	})
	limited := newTest(t, func(c *Config) {
		a := developmentApp()
		a.Development, a.APIRate = false, 1
		c.Apps = []App{a}
	})
	q := &limited.apps.all()[0].requests
	q.paid.Store(int64(time.Hour)) // beyond what is there
	held, err := net.Dial("tcp", full.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	fmt.Fprint(held, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	soon(t, "the only connection is open", func() bool { return full.engine.Stats().HTTP == 1 })

	seen, codes := 0, map[string]bool{"method_not_allowed": true} // which no operation has
	// same holds the code of an answer to that of the example.
	same := func(t *testing.T, response *openapi3.Response, answer string) {
		content := response.Content["application/json"]
		if content == nil {
			return
		}
		example, _ := json.Marshal(content.Example)
		if got, want := codeOf(answer), codeOf(string(example)); got != want {
			t.Errorf("the code is %q, the example's %q", got, want)
		} else if got != "" {
			codes[got] = true
		}
	}
	for p, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for code, response := range op.Responses.Map() {
				seen++
				t.Run(op.OperationID+" "+code, func(t *testing.T) {
					at := *s
					switch code {
					case "408":
						at = *hasty
					case "503":
						at.addr = full.addr
					}
					at.t = t
					from := at // has the client that the path names
					switch code {
					case "403":
						at.addr = disabled.addr
					case "429":
						at.addr = limited.addr
					}
					secret, bodies := "dev-secret", examples(op)
					switch code {
					case "200":
						if op.Security != nil { // none is needed
							secret = ""
						}
					case "400":
						bodies = []string{"{"}
					case "401":
						secret = ""
					case "408":
						if status, answer := at.unfinished(at.addr, method+" "+at.target(p, op), "Authorization: Bearer dev-secret\r\n"); status != 408 {
							t.Errorf("%d %s", status, answer)
						} else {
							same(t, response.Value, answer)
						}
						return
					case "413":
						bodies = []string{strings.Repeat(" ", tooMuch[op.OperationID])}
					case "500":
						w := httptest.NewRecorder() // no request is known that the gateway fails at
						writeError(w, errors.New("a fault"))
						same(t, response.Value, w.Body.String())
						return
					}
					for _, body := range bodies {
						target := from.target(p, op)
						switch {
						case code == "400" && op.RequestBody == nil:
							target, body = strings.Split(target, "?")[0]+"?nosuch=1", ""
						case code == "404":
							target = strings.ReplaceAll(p, "{id}", "1.2")
						}
						if e := at.do(at.request(method, at.addr, target, secret, body)); fmt.Sprint(e.status) != code {
							t.Errorf("%s %s %.200s: %d %.200s", method, target, body, e.status, e.answer)
						} else {
							same(t, response.Value, string(e.answer))
						}
					}
				})
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d answers: is this test looking in the right place?", seen)
	}
	enum := c.doc.Components.Schemas["Error"].Value.Properties["error"].Value.Properties["code"].Value.Enum
	for _, code := range enum {
		if !codes[code.(string)] {
			t.Errorf("no answer has the code %q", code)
		}
	}
	if len(enum) != len(codes) {
		t.Errorf("the codes %q, but %v are seen", enum, codes)
	}
}

// codeOf returns the code of an error, empty if it is none.
func codeOf(answer string) string {
	var e struct{ Error struct{ Code string } }
	json.Unmarshal([]byte(answer), &e)
	return e.Error.Code
}

// examples returns the bodies that an operation has examples of, and none, if it
// may have none.
func examples(op *openapi3.Operation) (list []string) {
	if op.RequestBody == nil {
		return []string{""}
	}
	if !op.RequestBody.Value.Required {
		list = append(list, "")
	}
	for _, example := range op.RequestBody.Value.Content["application/json"].Examples {
		body, _ := json.Marshal(example.Value.Value)
		list = append(list, string(body))
	}
	return list
}

// target returns the path of an operation with the examples of its parameters. A
// client has to be there: for each target there is a new one.
func (s *server) target(path string, op *openapi3.Operation) string {
	s.t.Helper()
	query := url.Values{}
	for _, p := range op.Parameters {
		value := fmt.Sprint(p.Value.Example)
		switch {
		case p.Value.In == "query":
			query.Set(p.Value.Name, value)
			continue
		case p.Value.Name == "id":
			_, welcome := s.native("?user=alice")
			value = welcome["client"].(string)
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(value))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
