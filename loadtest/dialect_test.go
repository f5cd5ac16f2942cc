package loadtest

import (
	"strings"
	"testing"
)

func TestDialectValidate(t *testing.T) {
	publish := func(change func(p *Publish)) Dialect {
		p := Publish{URL: "http://h/p", Body: "{payload}"}
		change(&p)
		return Dialect{Publish: &p}
	}
	for name, c := range map[string]struct {
		d    Dialect
		want string // empty: nothing is wrong
	}{
		"empty":            {Dialect{}, ""},
		"all":              {Dialect{Steps: []Step{{Send: "x"}, {Wait: "y"}}, Answers: []Answer{{"a", "b"}}, Send: "<{payload}>", Headers: map[string]string{"Cookie": "a=b", "Host": "x"}, Subprotocols: []string{"a.v1"}}, ""},
		"step":             {Dialect{Steps: []Step{{Send: "x"}, {}}}, "steps: number 2"},
		"answer":           {Dialect{Answers: []Answer{{To: "x"}}}, "answers: number 1"},
		"refused":          {Dialect{Refused: []string{"a", ""}}, "refused: "},
		"send":             {Dialect{Send: "payload"}, "send: {payload} is missing"},
		"header's name":    {Dialect{Headers: map[string]string{"a b": "x"}}, `headers: "a b"`},
		"header's value":   {Dialect{Headers: map[string]string{"A": "x\r\nB: y"}}, "headers: the value of A"},
		"own header":       {Dialect{Headers: map[string]string{"sec-websocket-key": "x"}}, "Sec-Websocket-Key is set by the handshake"},
		"subprotocol":      {Dialect{Subprotocols: []string{"a, b"}}, "subprotocols: "},
		"publish":          {publish(func(*Publish) {}), ""},
		"publish, GET":     {publish(func(p *Publish) { p.Method, p.Body, p.URL = "GET", "", "https://h/{channel}?m={payload}" }), ""},
		"publish: URL":     {publish(func(p *Publish) { p.URL = "h/p" }), "publish: url"},
		"publish: scheme":  {publish(func(p *Publish) { p.URL = "ftp://h/p" }), "publish: url"},
		"publish: payload": {publish(func(p *Publish) { p.Body = "x" }), "publish: {payload}"},
		"publish: method":  {publish(func(p *Publish) { p.Method = "a b" }), "publish: method"},
		"publish: header":  {publish(func(p *Publish) { p.Headers = map[string]string{"": "x"} }), "publish: headers: "},
		"publish: pusher":  {publish(func(p *Publish) { p.Pusher = &PusherAuth{Key: "k"} }), "publish: pusher"},
	} {
		if err := c.d.Validate(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, d := range []*Dialect{Echo(), Raw("http://h", "s"), Native("http://h", "s"), Pusher("http://h", "id", "key", "s")} {
		if err := d.Validate(); err != nil || d.Name == "" {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}

func TestText(t *testing.T) {
	for template, want := range map[string]string{
		"":                                 "",
		"plain":                            "plain",
		"{n}":                              "42",
		"{payload}":                        "PAY",
		"{n}{n}{channel}":                  "4242news",
		"a{n}b{channel}c{payload}d":        "a42bnewscPAYd",
		"{}{x}{N}{n":                       "{}{x}{N}{n",
		`{"a":{"n":{n}},"c":"{channel}"}`:  `{"a":{"n":42},"c":"news"}`,
		"{{n}} {{channel}} {payload}{n}{n": "{42} {news} PAY42{n",
	} {
		x := cut(template)
		if got := string(x.fill([]byte(">"), 42, "news", []byte("PAY"))); got != ">"+want {
			t.Errorf("%q: %q, want %q", template, got, want)
		}
	}
	// What is filled in is not looked at again.
	x := cut("{channel}-{payload}")
	if got := string(x.fill(nil, 1, "{n}", []byte("{channel}"))); got != "{n}-{channel}" {
		t.Errorf("%q", got)
	}
}

func TestKnown(t *testing.T) {
	for s, want := range map[string]bool{"": true, "{}": true, "[1]": true, `42["x"]`: true, "3": true, "hello": false, "<xml>": false, "~lt:": false} {
		if known([]byte(s)) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "empty",
		"# nothing\n":                         "empty",
		"name: [":                             "yaml",
		"nonsense: 1":                         "field nonsense not found",
		"steps: [{sned: x}]":                  "field sned not found",
		"send: x":                             "{payload}",
		strings.Repeat("#", maxTemplate+1):    "1 MiB",
		"a: &a [*a]":                          "field a not found",
		"steps: {a: 1}\nx: 2":                 "line 1: cannot unmarshal !!map; line 2: field x not found",
		"name: x\nsteps:\n - wait: welcome\n": "",
	} {
		d, err := ReadTemplate(strings.NewReader(text))
		if err != nil && (strings.Contains(err.Error(), "loadtest.") || strings.HasPrefix(err.Error(), "template")) {
			t.Errorf("%.50q: %v: who reads it has no Go type before him, and knows that it is a template", text, err)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: %v, want %q", text, err, want)
		}
		if err == nil && (d.Name != "x" || d.Steps[0].Wait != "welcome") {
			t.Errorf("%+v", d)
		}
	}
}

// What is read is valid, and can be filled in.
func FuzzReadTemplate(f *testing.F) {
	f.Add("name: x\nsteps: [{send: '{n}', wait: y}]\nanswers: [{to: a, send: b}]\nheaders: {A: b}\nsubprotocols: [p]")
	f.Add("publish: {url: 'http://h/{channel}', body: '{payload}', method: PUT, pusher: {key: k, secret: s}}")
	f.Add("bare: true\nsend: '{payload}'\nrefused: [x]\ndelivery: y")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadTemplate(strings.NewReader(text))
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Errorf("%+v, %v", d, err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		head := string(handshakeHead(&setup{Host: "h", Dialect: *d}))
		if n := strings.Count(head, "\r\n"); n != 5+len(d.Headers)-count(d.Headers, "Host")+min(1, len(d.Subprotocols)) {
			t.Errorf("%d lines in %q", n, head)
		}
	})
}

func count(m map[string]string, key string) int {
	if _, ok := m[key]; ok {
		return 1
	}
	return 0
}
