package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The rules for names once more, as patterns.
var (
	plainChannel = regexp.MustCompile(`^[-A-Za-z0-9_=@,.;]{1,164}$`)
	plainClient  = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	noControl    = regexp.MustCompile(`^\P{Cc}+$`)
)

func goodText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && noControl.MatchString(s)
}

// toPublish is a publication as docs/http-api.md has it.
type toPublish struct {
	To struct {
		Channels, Users, Clients []string
		All                      bool
	}
	Except   struct{ Clients, Users []string }
	Event    *string
	Data     json.RawMessage
	Encoding string
	Wait     bool
}

// good reports whether the page allows it.
func (p *toPublish) good(most int) bool {
	if len(p.To.Channels)+len(p.To.Users)+len(p.To.Clients) == 0 && !p.To.All {
		return false
	}
	for _, name := range p.To.Channels {
		if !plainChannel.MatchString(name) || name == "." || name == ".." {
			return false
		}
	}
	for _, id := range slices.Concat(p.To.Clients, p.Except.Clients) {
		if !plainClient.MatchString(id) {
			return false
		}
	}
	for _, id := range slices.Concat(p.To.Users, p.Except.Users) {
		if !goodText(id, 128) || id == "." || id == ".." {
			return false
		}
	}
	if p.Event != nil && !goodText(*p.Event, 200) || len(p.Data) > most || !utf8.Valid(p.Data) {
		return false
	}
	if p.Encoding == "base64" {
		var s *string
		if len(p.Data) == 0 || string(p.Data) == "null" {
			return false
		}
		if json.Unmarshal(p.Data, &s) != nil {
			return false
		}
		_, err := base64.StdEncoding.DecodeString(*s)
		return err == nil
	}
	return p.Encoding == ""
}

// toPublishAll reads a body of either path.
func toPublishAll(batch bool, body []byte) (list []toPublish, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if batch {
		var b struct{ Batch []toPublish }
		err = dec.Decode(&b)
		return b.Batch, err
	}
	list = make([]toPublish, 1)
	return list, dec.Decode(&list[0])
}

// FuzzPublishBody gives a body to the HTTP API. What docs/http-api.md allows is
// published; anything else gets one of its errors, and nothing invalid is ever
// answered with 200.
func FuzzPublishBody(f *testing.F) {
	const most = 1000
	s := newTest(f, func(c *Config) { c.Limits.MaxMessageBytes = most })
	handler := s.publicHandler()

	for _, one := range []string{
		`{"to":{"channels":["news"],"users":["alice"],"clients":["1.2"],"all":false},"except":{"clients":["3.4"],"users":["bob"]},"event":"said","data":{"text":"hi"},"encoding":"","wait":false}`,
		`{"to":{"all":true}}`,
		`{"to":{"all":true},"data":1,"wait":true}`,
		`{"to":{"channels":["a"]},"encoding":"base64","data":"AP8Q"}`,
		`{"to":{"channels":["a"]},"encoding":"base64","data":"!"}`,
		`{"to":{"channels":["a"]},"encoding":"base64","data":null}`,
		`{"to":{"channels":["a"]},"encoding":"hex","data":""}`,
		`{"to":{"channels":["a","b c"]}}`,
		`{"to":{"users":[""]}}`,
		`{"to":{"users":["\u0000"]}}`,
		`{"to":{"users":["."]}}`,
		`{"to":{"clients":["nonsense"]}}`,
		`{"to":{"all":true},"except":{"users":["a",""]}}`,
		`{"to":{"all":true},"except":{"clients":["1.2","-1.2"]}}`,
		`{"to":{"all":false}}`,
		`{"to":{"all":"yes"}}`,
		`{"to":{"channel":"x"}}`,
		`{"to":[]}`,
		`{"to":null,"to":{"all":true},"event":null,"data":null}`,
		`{"to":{"all":true},"event":""}`,
		`{"to":{"all":true},"event":"` + strings.Repeat("e", 201) + `"}`,
		`{"to":{"all":true},"data":"` + "\xff" + `"}`,
		`{"to":{"all":true},"data":"` + strings.Repeat("x", most-2) + `"}`,
		`{"to":{"all":true},"data":"` + strings.Repeat("x", most-1) + `"}`,
		`null`,
	} {
		f.Add(false, []byte(one))
		f.Add(true, []byte(`{"batch":[`+one+`]}`))
		f.Add(true, []byte(`{"batch":[{"to":{"all":true},"wait":true},`+one+`]}`))
	}
	for _, body := range []string{``, ` `, `{`, `nonsense`, `[]`, `{} {}`, `{}]`, `{"to":{"all":true}}x`, `{"batch":[]}`, `{"batch":{}}`} {
		f.Add(false, []byte(body))
		f.Add(true, []byte(body))
	}
	for _, n := range []int{maxBatch, maxBatch + 1} {
		f.Add(true, []byte(`{"batch":[`+strings.Repeat(`{"to":{"all":true}},`, n-1)+`{"to":{"all":true}}]}`))
	}

	f.Fuzz(func(t *testing.T, batch bool, body []byte) {
		path := "/api/publish"
		if batch {
			path += "/batch"
		}
		r := httptest.NewRequest("POST", path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer dev-secret")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if kind := w.Header().Get("Content-Type"); kind != "application/json" {
			t.Fatalf("the answer is %q: %s", kind, w.Body)
		}
		if w.Code != 200 {
			checkError(t, w.Code, w.Body.Bytes())
		} else if !json.Valid(body) {
			t.Fatalf("%q is not JSON, and the answer %s", body, w.Body)
		}

		list, err := toPublishAll(batch, body)
		good := err == nil && json.Valid(body) && len(list) > 0 && len(list) <= 1000
		for i := range list {
			good = good && list[i].good(most)
		}
		if good != (w.Code == 200) {
			t.Fatalf("%q: %d %s, allowed by the page: %t", body, w.Code, w.Body, good)
		}
		if w.Code == 200 {
			checkResults(t, batch, list, w.Body.Bytes())
		}
	})
}

// checkError reads an error: its status and code are documented, it has a
// sentence, and nothing else.
func checkError(t *testing.T, status int, answer []byte) {
	var e struct {
		Error struct{ Code, Message string }
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || !json.Valid(answer) || !utf8.Valid(answer) {
		t.Fatalf("%d %q: %v", status, answer, err)
	}
	want := map[int]string{400: "bad_request", 413: "too_large"}[status]
	if want == "" || e.Error.Code != want || e.Error.Message == "" {
		t.Fatalf("%d %s", status, answer)
	}
}

// checkResults reads the answer to what was published to nobody.
func checkResults(t *testing.T, batch bool, list []toPublish, answer []byte) {
	var results []map[string]int
	if batch {
		var b struct{ Results []map[string]int }
		if err := json.Unmarshal(answer, &b); err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
		results = b.Results
	} else {
		results = make([]map[string]int, 1)
		if err := json.Unmarshal(answer, &results[0]); err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
	}
	if len(results) != len(list) {
		t.Fatalf("%d results for %d publications", len(results), len(list))
	}
	for i, got := range results {
		want := []string{"matched"}
		if list[i].Wait {
			want = []string{"dropped", "matched", "queued", "written"}
		}
		if names := sorted(got); !slices.Equal(names, want) || got["matched"] != 0 {
			t.Fatalf("result %d of %s, want zeros: %v", i, answer, want)
		}
	}
}

// A file of an app is read or refused, and what is read is in order.
func FuzzAppFile(f *testing.F) {
	for _, text := range []string{"", "id: a", "[", "- a\n- b", "a: &x [*x]", yamlOf("a"), yamlOf("a", "webhooks: [{url: 'http://x/', events: cache_miss, batch: true}]"),
		yamlOf("a", "allowed_origins: https://a.example", "max_connections: 1e3", "authorization_timeout: 30s"),
		yamlOf("a", "---"), yamlOf("a", "webhooks: [1, {}, {url: {}}]"), "id: a\nid.x: b\nwebhooks.url: x", "\xff\xfe", "null", "!!binary aGk="} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseApp("/apps/a.yaml", text)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v and %v", p, err)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/apps/a.yaml: ") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if err := p.check(); err != nil {
			t.Errorf("%+v: %v", p.App, err)
		}
	})
}
